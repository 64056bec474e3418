"""Datasets have the digests, schemas, profiles and sources that MLflow gives them."""

import json

import numpy
import pandas
import pytest

from lakeflow import data
from lakeflow.exceptions import LakeflowException

FRAMES = {
    "numbers": "pd.DataFrame({'a': [1, 2, 3], 'b': [0.5, np.nan, 0.0]})",
    "texts": "pd.DataFrame({'b': ['x', 'y'], 'a': [True, False], 'c': [1.5, 2.5]})",
    "texts of each kind": "pd.DataFrame({'o': pd.Series(['x', 'y'], dtype=object), "
    "'n': pd.Series(['x', None], dtype=object), 's': pd.Series(['x', 'y'], dtype='string'), "
    "'c': pd.Categorical(['x', None])})",
    "missing texts": "pd.DataFrame({'a': ['x', None], 'b': ['y', 'z']})",
    "small types": "pd.DataFrame({t: np.arange(3).astype(t) for t in "
    "['int8', 'int16', 'int32', 'uint8', 'uint16', 'uint32', 'float32', 'float64']})",
    "times": "pd.DataFrame({'t': pd.to_datetime(['2024-01-01', '2024-06-01']).astype("
    "'datetime64[ns]'), 'n': [1, 2]})",
    "categories": "pd.DataFrame({'c': pd.Categorical(['a', 'b', 'a']), 'n': [1, 2, 3]})",
    "nested": "pd.DataFrame({'l': [[1, 2], [3]], 'd': [{'y': 1, 'x': 'a'}, {'x': 'b'}], "
    "'a': [np.array([1.0]), np.array([2.0])]})",
    "bytes": "pd.DataFrame({'b': [b'x', b'y'], 'n': [1, 2]})",
    "an index of texts": "pd.DataFrame({'a': [1, 2]}, index=['x', 'y'])",
    "names that are numbers": "pd.DataFrame(np.arange(6.0).reshape(2, 3))",
    "long": "pd.DataFrame({'a': np.arange(20_000), 's': [str(i) for i in range(20_000)]})",
    "text after the first rows": "pd.DataFrame({'a': ['x'] * 10_000 + [1]})",
    "no rows": "pd.DataFrame({'a': np.array([], dtype='int64')})",
    "twice one name": "pd.DataFrame([[1, 'x'], [2, 'y']], columns=['a', 'a'])",
}
# Of what MLflow has no type for it drops the schema; here that column alone has none.
WITHOUT_SCHEMA = {"twice one name", "text after the first rows"}

ARRAYS = {
    "a matrix": "np.arange(12.0).reshape(4, 3)",
    "integers": "np.arange(5, dtype='int16')",
    "unsigned": "np.array([0, 2**64 - 1], dtype='uint64')",
    "half": "np.array([0.5, np.nan, np.inf], dtype='float16')",
    "both zeros": "np.array([0.0, -0.0])",
    "booleans": "np.array([True, False])",
    "complex": "np.array([1 + 2j, -0.5j])",
    "short complex": "np.array([1 + 2j], dtype='complex64')",
    "times": "np.array(['2024-01-01', 'NaT'], dtype='datetime64[ms]')",
    "durations": "np.array([1, 2], dtype='timedelta64[s]')",
    "texts": "np.array(['a', 'bb', 'a'])",
    "bytes": "np.array([b'a', b'bb'])",
    "objects": "np.array(['a', 1, None], dtype=object)",
    "unhashable objects": "np.array([[1], {}, 'a', None], dtype=object)[:2]",
    "turned": "np.arange(12).reshape(4, 3).T",
    "other byte order": "np.array([1, 2], dtype='>i4')",
    "long": "np.arange(20_000)",
    "empty": "np.zeros((0, 3))",
    "by name": "{'b': np.zeros((2, 3)), 'a': np.arange(2)}",
}


def described(constructor, arguments):
    given = eval(arguments, {"np": numpy, "pd": pandas})
    return getattr(data, constructor)(**given).to_dict()


def same(mlflow, constructor, arguments, but=()):
    theirs = mlflow.ask("dataset", [constructor, arguments])["value"]
    ours = described(constructor, arguments)
    assert ours.keys() == theirs.keys()
    for part in theirs.keys() - set(but):
        assert ours[part] == theirs[part], part
    return ours, theirs


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_pandas_is_the_same_dataset(mlflow, name):
    arguments = f"dict(df={FRAMES[name]}, source='/data/x.csv', name='x')"
    but = {"schema"} if name in WITHOUT_SCHEMA else ()
    _ours, theirs = same(mlflow, "from_pandas", arguments, but)
    assert not but or theirs["schema"] is None


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_the_same_dataset(mlflow, name):
    for targets in ("None", "np.arange(2)", ARRAYS[name]):
        same(
            mlflow,
            "from_numpy",
            f"dict(features={ARRAYS[name]}, source='x', targets={targets})",
        )


def test_what_the_caller_names_is_kept(mlflow):
    arguments = (
        "dict(df=pd.DataFrame({'x': [1], 'y': [2], 'z': [3]}), source='s3://b/x.csv', "
        "targets='y', predictions='z', name='n', digest='d')"
    )
    ours, _theirs = same(mlflow, "from_pandas", arguments)
    assert (ours["name"], ours["digest"]) == ("n", "d")


@pytest.mark.parametrize(
    "source",
    [
        "/data/x.csv",
        "x",
        "file:///data/x.csv",
        "s3://b/k",
        "gs://b/k",
        "http://h/x",
        "HTTPS://h/x",
    ],
)
def test_sources_are_the_same(mlflow, source):
    same(mlflow, "from_numpy", f"dict(features=np.arange(3), source={source!r})")


def test_a_program_is_a_source_of_its_own_kind(mlflow):
    arguments = "dict(features=np.arange(3))"
    ours, theirs = same(mlflow, "from_numpy", arguments, but={"source"})
    assert json.loads(ours["source"]).keys() == json.loads(theirs["source"]).keys() == {"tags"}


@pytest.mark.parametrize("purpose", ["targets", "predictions"])
def test_a_column_that_is_missing_is_refused(mlflow, purpose):
    arguments = f"dict(df=pd.DataFrame({{'x': [1]}}), {purpose}='nope')"
    theirs = mlflow.ask("dataset", ["from_pandas", arguments])
    with pytest.raises(LakeflowException, match="'nope'") as error:
        described("from_pandas", arguments)
    assert error.value.error_code == theirs["error"] == "INVALID_PARAMETER_VALUE"
