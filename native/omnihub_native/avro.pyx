# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Avro's types, each of which reads one value from bytes and writes one.

Guarantees: the same bytes and the same refusals as `omnihub.contracts.reading` and `writing`, which
are the specification of this module: never a read beyond the end, never a guess. Complaints are
IndexError, ValueError and KeyError when reading, TypeError, AttributeError, ValueError and KeyError
when writing. Does not: know schemas or the contract (see `omnihub.contracts.native`, which puts
these types together), or keep anything between two values.
"""

from cpython.bytes cimport PyBytes_AsStringAndSize, PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLong
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport INT64_MIN, int64_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memcpy


cdef extern from "Python.h":
    const char *PyUnicode_AsUTF8AndSize(object text, Py_ssize_t *size) except NULL
    object PyObject_Vectorcall(object made, PyObject *const *args, size_t count, PyObject *names)
    ctypedef struct PyTupleObject:
        PyObject **ob_item


cdef struct Cursor:
    const unsigned char *at
    const unsigned char *end


cdef struct Buffer:
    unsigned char *data
    Py_ssize_t size
    Py_ssize_t room


cdef enum:
    FIRST_ROOM = 512
    LONGEST_NUMBER = 10
    ONE_BYTE_SYMBOLS = 64


cdef dict BOOLEANS = {False: 0, True: 1}


cdef inline int need(Buffer *out, Py_ssize_t more) except -1:
    """Make room for `more` bytes."""
    cdef Py_ssize_t room = out.room
    cdef unsigned char *data
    if out.size + more <= room:
        return 0
    while out.size + more > room:
        room *= 2
    data = <unsigned char *>realloc(out.data, room)
    if data == NULL:
        raise MemoryError()
    out.data, out.room = data, room
    return 0


cdef inline int put_raw(Buffer *out, const char *data, Py_ssize_t size) except -1:
    need(out, size)
    memcpy(out.data + out.size, data, size)
    out.size += size
    return 0


cdef inline int put_long(Buffer *out, int64_t number) except -1:
    cdef uint64_t left = (<uint64_t>number << 1) ^ <uint64_t>(number >> 63)
    need(out, LONGEST_NUMBER)
    while left >= 128:
        out.data[out.size] = <unsigned char>(left & 127 | 128)
        out.size += 1
        left >>= 7
    out.data[out.size] = <unsigned char>left
    out.size += 1
    return 0


cdef inline int take_byte(Cursor *at) except -1:
    cdef unsigned char byte
    if at.at >= at.end:
        raise IndexError("the bytes end inside a value")
    byte = at.at[0]
    at.at += 1
    return byte


cdef inline int64_t take_long(Cursor *at) except? -1:
    cdef uint64_t number = 0
    cdef int shift = 0
    cdef int byte
    while True:
        byte = take_byte(at)
        if shift == 63 and byte > 1:
            raise ValueError("integer over 64 bits")
        number |= <uint64_t>(byte & 127) << shift
        if byte < 128:
            return <int64_t>(number >> 1) ^ -<int64_t>(number & 1)
        shift += 7


cdef inline int64_t take_symbol(Cursor *at) except? -1:
    """Return a number under 64, or -2 for what takes more than its one byte."""
    cdef int byte = take_byte(at)
    return byte >> 1 if byte < 128 and byte % 2 == 0 else -2


cdef inline const char *take_raw(Cursor *at, Py_ssize_t *size) except NULL:
    """Return where the bytes begin whose length comes first; `size` is told."""
    cdef int64_t length = take_long(at)
    cdef const unsigned char *begin = at.at
    if length < 0:
        raise ValueError("negative length")
    if length > at.end - begin:
        raise IndexError("the bytes end inside a value")
    at.at = begin + length
    size[0] = <Py_ssize_t>length
    return <const char *>begin


cdef class Type:
    """One Avro type."""

    cdef object read(self, Cursor *at):
        raise NotImplementedError

    cdef int write(self, Buffer *out, object value) except -1:
        raise NotImplementedError


cdef class Long(Type):
    """`int` and `long`: zig-zag, seven bits a byte."""

    cdef object read(self, Cursor *at):
        return take_long(at)

    cdef int write(self, Buffer *out, object value) except -1:
        cdef int64_t number
        try:
            number = PyLong_AsLongLong(value)
        except OverflowError:
            raise ValueError("integer over 64 bits") from None
        return put_long(out, number)


cdef class Boolean(Type):
    """One byte, 0 or 1."""

    cdef object read(self, Cursor *at):
        cdef int byte = take_byte(at)
        if byte > 1:
            raise ValueError("a boolean that is neither 0 nor 1")
        return byte == 1

    cdef int write(self, Buffer *out, object value) except -1:
        cdef char byte = BOOLEANS[value]
        return put_raw(out, &byte, 1)


cdef class String(Type):
    """Text as UTF-8, its length in bytes first."""

    cdef object read(self, Cursor *at):
        cdef Py_ssize_t size
        cdef const char *begin = take_raw(at, &size)
        return PyUnicode_DecodeUTF8(begin, size, NULL)

    cdef int write(self, Buffer *out, object value) except -1:
        cdef Py_ssize_t size
        cdef const char *text = PyUnicode_AsUTF8AndSize(value, &size)
        put_long(out, size)
        return put_raw(out, text, size)


cdef class Bytes(Type):
    """Bytes, their length first."""

    cdef object read(self, Cursor *at):
        cdef Py_ssize_t size
        cdef const char *begin = take_raw(at, &size)
        return PyBytes_FromStringAndSize(begin, size)

    cdef int write(self, Buffer *out, object value) except -1:
        cdef Py_ssize_t size
        cdef char *data
        PyBytes_AsStringAndSize(value, &data, &size)
        put_long(out, size)
        return put_raw(out, data, size)


cdef class Enum(Type):
    """One of `symbols`, which are told in the schema's order, by its number."""

    cdef list symbols
    cdef dict numbers

    def __init__(self, symbols):
        self.symbols = list(symbols)
        self.numbers = {symbol: number for number, symbol in enumerate(self.symbols)}

    cdef object read(self, Cursor *at):
        cdef Py_ssize_t count = len(self.symbols)
        cdef int64_t number = take_long(at) if count > ONE_BYTE_SYMBOLS else take_symbol(at)
        if not 0 <= number < count:
            raise KeyError(number)
        return self.symbols[<Py_ssize_t>number]

    cdef int write(self, Buffer *out, object value) except -1:
        return put_long(out, self.numbers[value])


cdef class Nullable(Type):
    """A union of null, which is branch `null` (0 or 1), and another type."""

    cdef Type other
    cdef int null

    def __init__(self, Type other not None, int null):
        self.other, self.null = other, null

    cdef object read(self, Cursor *at):
        cdef int byte = take_byte(at)
        if byte == 2 * self.null:
            return None
        if byte != 2 * (1 - self.null):
            raise ValueError("no such branch")
        return self.other.read(at)

    cdef int write(self, Buffer *out, object value) except -1:
        if value is None:
            return put_long(out, self.null)
        put_long(out, 1 - self.null)
        return self.other.write(out, value)


cdef inline int64_t take_count(Cursor *at) except? -1:
    """Return how many items the next block has; 0 ends an array or a map."""
    cdef int64_t count = take_long(at)
    if count >= 0:
        return count
    take_long(at)  # A negative count is followed by the block's size, which nobody here needs.
    if count == INT64_MIN:
        raise ValueError("a block of more items than there are bytes")
    return -count


cdef class Array(Type):
    """Blocks of items; a tuple in Python."""

    cdef Type item

    def __init__(self, Type item not None):
        self.item = item

    cdef object read(self, Cursor *at):
        cdef list items = []
        cdef int64_t count = take_count(at)
        while count:
            for _ in range(count):
                items.append(self.item.read(at))
            count = take_count(at)
        return tuple(items)

    cdef int write(self, Buffer *out, object value) except -1:
        if value:
            put_long(out, len(value))
        for item in value:
            self.item.write(out, item)
        return put_long(out, 0)


cdef class Map(Type):
    """Blocks of texts, each with a value."""

    cdef Type key
    cdef Type value

    def __init__(self, Type value not None):
        self.key, self.value = String(), value

    cdef object read(self, Cursor *at):
        cdef dict items = {}
        cdef int64_t count = take_count(at)
        while count:
            for _ in range(count):
                key = self.key.read(at)
                items[key] = self.value.read(at)
            count = take_count(at)
        return items

    cdef int write(self, Buffer *out, object value) except -1:
        if value:
            put_long(out, len(value))
        for key, item in value.items():
            self.key.write(out, key)
            self.value.write(out, item)
        return put_long(out, 0)


cdef class Record(Type):
    """One value after the other, as the class `kind` holds them.

    `fields` are told later, once, as triples: name, type, and what makes of the record and the
    field's value the value to write (None: as it is).
    """

    cdef object kind
    cdef tuple names
    cdef tuple types
    cdef tuple preparing

    def __init__(self, kind):
        self.kind = kind
        self.names = self.types = self.preparing = ()

    def fill(self, fields):
        """Tell the fields, in the schema's order."""
        self.names, self.types, self.preparing = zip(*fields, strict=True)

    cdef object read(self, Cursor *at):
        cdef Py_ssize_t count = len(self.types), field
        # A tuple, since it lets go of what it has when a later field is damaged.
        cdef tuple values = PyTuple_New(count)
        for field in range(count):
            value = (<Type>self.types[field]).read(at)
            Py_INCREF(value)
            PyTuple_SET_ITEM(values, field, value)
        return PyObject_Vectorcall(
            self.kind, (<PyTupleObject *>values).ob_item, 0, <PyObject *>self.names
        )

    cdef int write(self, Buffer *out, object value) except -1:
        cdef Py_ssize_t field
        for field in range(len(self.types)):
            held = getattr(value, self.names[field])
            prepare = self.preparing[field]
            if prepare is not None:
                held = prepare(value, held)
            (<Type>self.types[field]).write(out, held)
        return 0


cdef class Reader:
    """`reader(value, at)` reads one `type` that fills `value` from `at` to the end."""

    cdef Type type

    def __init__(self, Type type not None):
        self.type = type

    def __call__(self, bytes value not None, Py_ssize_t at):
        cdef const unsigned char *data = value
        cdef Cursor cursor = Cursor(data + min(at, len(value)), data + len(value))
        made = self.type.read(&cursor)
        if cursor.at != cursor.end:
            raise ValueError("bytes left over")
        return made


cdef class Writer:
    """`writer(record)` returns `frame` and the record's bytes."""

    cdef Type type
    cdef bytes frame

    def __init__(self, Type type not None, bytes frame not None):
        self.type, self.frame = type, frame

    def __call__(self, record):
        # Of its own, because what seals a value may let another thread write meanwhile.
        cdef Buffer out = Buffer(<unsigned char *>malloc(FIRST_ROOM), 0, FIRST_ROOM)
        if out.data == NULL:
            raise MemoryError()
        try:
            put_raw(&out, <const char *>self.frame, len(self.frame))
            self.type.write(&out, record)
            return PyBytes_FromStringAndSize(<const char *>out.data, out.size)
        finally:
            free(out.data)
