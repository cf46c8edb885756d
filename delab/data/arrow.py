"""Arrow without its published type stubs, which reject much of what its functions take: here its types say what a value is for a
reader, and are unchecked for mypy."""

from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow
import pyarrow.compute

if TYPE_CHECKING:
    Array: TypeAlias = Any
    ArrowTable: TypeAlias = Any
    Buffer: TypeAlias = Any
    DataType: TypeAlias = Any
    Field: TypeAlias = Any
    RecordBatch: TypeAlias = Any
    Schema: TypeAlias = Any
else:
    Array, ArrowTable, RecordBatch = pyarrow.Array, pyarrow.Table, pyarrow.RecordBatch
    Buffer, DataType, Field, Schema = pyarrow.Buffer, pyarrow.DataType, pyarrow.Field, pyarrow.Schema

pa: Any = pyarrow
pc: Any = pyarrow.compute
