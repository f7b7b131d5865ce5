"""XXH3 with 64 and 128 bits, seed 0, in plain Python, written from its specification (xxhash.com, doc/xxhash_spec.md).

An independent implementation is the point: fingerprints made with this module owe nothing to the library that karat
uses.
"""

import struct

_M = 0xFFFF_FFFF_FFFF_FFFF
_SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)
_P32_1, _P32_2, _P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
_P64_1, _P64_2 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F
_P64_3, _P64_4, _P64_5 = 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
_RRMXMX = 0x9FB21C651E98DF25

# The 64-bit word of the secret at every byte offset.
_S = [struct.unpack_from("<Q", _SECRET, at)[0] for at in range(len(_SECRET) - 7)]
_two = struct.Struct("<QQ").unpack_from
_stripe = struct.Struct("<8Q").unpack_from


def _avalanche(x):
    x ^= x >> 37
    x = x * 0x165667919E3779F9 & _M
    return x ^ x >> 32


def _avalanche64(x):
    """The final mixing of XXH64, which short inputs use."""
    x ^= x >> 33
    x = x * _P64_2 & _M
    x ^= x >> 29
    x = x * _P64_3 & _M
    return x ^ x >> 32


def _fold(a, b):
    product = a * b
    return (product & _M) ^ (product >> 64)


def _swap(x):
    return int.from_bytes(x.to_bytes(8, "little"), "big")


def _mix16(data, at, secret):
    a, b = _two(data, at)
    return _fold(a ^ _S[secret], b ^ _S[secret + 8])


def _accumulate(data):
    """The eight lanes after all of an input longer than 240 bytes."""
    lanes = [_P32_3, _P64_1, _P64_2, _P64_3, _P64_4, _P32_2, _P64_5, _P32_1]
    length = len(data)
    stripes = (length - 1) // 64
    for n in range(stripes):
        _add_stripe(lanes, data, 64 * n, 8 * (n % 16))
        if n % 16 == 15:
            for i in range(8):
                x = lanes[i]
                lanes[i] = (x ^ x >> 47 ^ _S[128 + 8 * i]) * _P32_1 & _M
    _add_stripe(lanes, data, length - 64, 121)
    return lanes


def _add_stripe(lanes, data, at, secret):
    words = _stripe(data, at)
    for i in range(8):
        word = words[i]
        key = word ^ _S[secret + 8 * i]
        lanes[i ^ 1] = lanes[i ^ 1] + word & _M
        lanes[i] = lanes[i] + (key & 0xFFFF_FFFF) * (key >> 32) & _M


def _merge(lanes, secret, start):
    for i in range(4):
        start += _fold(lanes[2 * i] ^ _S[secret + 16 * i], lanes[2 * i + 1] ^ _S[secret + 16 * i + 8])
    return _avalanche(start & _M)


def xxh3_64(data):
    """The 64-bit hash of bytes, as an integer."""
    n = len(data)
    if n > 240:
        return _merge(_accumulate(data), 11, n * _P64_1 & _M)
    if n > 128:
        acc = n * _P64_1
        for i in range(8):
            acc += _mix16(data, 16 * i, 16 * i)
        acc = _avalanche(acc & _M)
        for i in range(8, n // 16):
            acc += _mix16(data, 16 * i, 16 * (i - 8) + 3)
        return _avalanche(acc + _mix16(data, n - 16, 119) & _M)
    if n > 16:
        acc = n * _P64_1
        for i in reversed(range((n - 1) // 32 + 1)):
            acc += _mix16(data, 16 * i, 32 * i) + _mix16(data, n - 16 * (i + 1), 32 * i + 16)
        return _avalanche(acc & _M)
    if n > 8:
        low = int.from_bytes(data[:8], "little") ^ _S[24] ^ _S[32]
        high = int.from_bytes(data[-8:], "little") ^ _S[40] ^ _S[48]
        return _avalanche(n + _swap(low) + high + _fold(low, high) & _M)
    if n > 3:
        first, last = int.from_bytes(data[:4], "little"), int.from_bytes(data[-4:], "little")
        x = (last + (first << 32)) ^ _S[8] ^ _S[16]
        x ^= ((x << 49 | x >> 15) ^ (x << 24 | x >> 40)) & _M
        x = x * _RRMXMX & _M
        x ^= (x >> 35) + n
        x = x * _RRMXMX & _M
        return x ^ x >> 28
    if n > 0:
        word = data[0] << 16 | data[n >> 1] << 24 | data[-1] | n << 8
        return _avalanche64(word ^ (_S[0] & 0xFFFF_FFFF) ^ (_S[4] & 0xFFFF_FFFF))
    return _avalanche64(_S[56] ^ _S[64])


def xxh3_128(data):
    """The 128-bit hash of bytes, as an integer whose low half is the algorithm's low half."""
    n = len(data)
    if n > 240:
        lanes = _accumulate(data)
        return _merge(lanes, 11, n * _P64_1 & _M) | _merge(lanes, 117, ~(n * _P64_2) & _M) << 64
    if n > 16:
        return _medium_128(data, n)
    if n > 8:
        low, high = int.from_bytes(data[:8], "little"), int.from_bytes(data[-8:], "little")
        product = (low ^ high ^ _S[32] ^ _S[40]) * _P64_1
        high ^= _S[48] ^ _S[56]
        product_low = (product + ((n - 1) << 54)) & _M
        product_high = (product >> 64) + high + (high & 0xFFFF_FFFF) * (_P32_2 - 1) & _M
        product_low ^= _swap(product_high)
        result = product_low * _P64_2
        return _avalanche(result & _M) | _avalanche((result >> 64) + product_high * _P64_2 & _M) << 64
    if n > 3:
        word = int.from_bytes(data[:4], "little") | int.from_bytes(data[-4:], "little") << 32
        product = (word ^ _S[16] ^ _S[24]) * (_P64_1 + (n << 2))
        low, high = product & _M, product >> 64
        high = high + (low << 1) & _M
        low ^= high >> 3
        low = (low ^ low >> 35) * _RRMXMX & _M
        return low ^ low >> 28 | _avalanche(high) << 64
    if n > 0:
        low = data[0] << 16 | data[n >> 1] << 24 | data[-1] | n << 8
        high = int.from_bytes(low.to_bytes(4, "little"), "big")
        high = (high << 13 | high >> 19) & 0xFFFF_FFFF
        low ^= (_S[0] ^ _S[4]) & 0xFFFF_FFFF
        high ^= (_S[8] ^ _S[12]) & 0xFFFF_FFFF
        return _avalanche64(low) | _avalanche64(high) << 64
    return _avalanche64(_S[64] ^ _S[72]) | _avalanche64(_S[80] ^ _S[88]) << 64


def _medium_128(data, n):
    low, high = n * _P64_1 & _M, 0
    if n > 128:
        spans = [(32 * i, 32 * i + 16, 32 * i) for i in range(4)]
    else:
        spans = [(16 * i, n - 16 * (i + 1), 32 * i) for i in reversed(range((n - 1) // 32 + 1))]
    low, high = _mix32(data, spans, low, high)
    if n > 128:
        low, high = _avalanche(low), _avalanche(high)
        spans = [(32 * i, 32 * i + 16, 32 * (i - 4) + 3) for i in range(4, n // 32)]
        spans.append((n - 16, n - 32, 103))
        low, high = _mix32(data, spans, low, high)
    mixed = low * _P64_1 + high * _P64_4 + n * _P64_2
    return _avalanche(low + high & _M) | (-_avalanche(mixed & _M) & _M) << 64


def _mix32(data, spans, low, high):
    for first, second, secret in spans:
        a, b = _two(data, first)
        c, d = _two(data, second)
        product = (a ^ _S[secret]) * (b ^ _S[secret + 8])
        low = (low + ((product & _M) ^ (product >> 64)) & _M) ^ (c + d & _M)
        product = (c ^ _S[secret + 16]) * (d ^ _S[secret + 24])
        high = (high + ((product & _M) ^ (product >> 64)) & _M) ^ (a + b & _M)
    return low, high
