"""MLflow's folder of protocols, as far as code that catches errors names it."""
