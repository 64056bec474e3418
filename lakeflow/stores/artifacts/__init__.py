"""Files beside runs: any file, images, tables; where they are, and what is recorded of them."""
