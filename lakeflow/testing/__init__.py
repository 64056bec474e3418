"""Tools for testing lakes and filesystems; shipped so that others can use them.

The contracts that a filesystem must keep are tests of pytest:

    pytest --pyargs lakeflow.testing --lake-url=s3://team/scratch

``--lake-options`` takes fsspec's options for it as JSON. Each test works in a folder of its own
below the URL and deletes what it made there. Without a URL the suite tests ``memory://``.

Two filesystems let things go wrong. ``faults.FaultFilesystem`` is one of ours: at its n-th
write the process dies. ``flaky.FlakyFileSystem`` is one of fsspec's, below a remote lake: calls
fail, lose their reply, come late or return too little, and the lake goes on. ``story.Story`` is
what to do to a lake meanwhile, and knows what has to be there afterwards.
"""
