#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model without sense: mad_gguf.py FILE [SEED]

Writes a GGUF file (version 3) of architecture llama: two layers, random weights, and a vocabulary of single bytes and of the letters
that JSON is written in. What it says under a grammar is of the grammar's form, and means nothing. About 1 MB; the same for a seed.
"""
import random
import struct
import sys

EMBEDDING, LAYERS, HEADS, FORWARD, CONTEXT, ALIGNMENT = 64, 2, 4, 128, 32768, 32
U32, F32, TEXT, ARRAY, I32 = 4, 6, 8, 9, 5
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6

random.seed(int(sys.argv[2]) if len(sys.argv) > 2 else 1)


def text(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def array(kind, packed, count):
    return struct.pack("<IQ", kind, count) + packed


tokens = [("<unk>", UNKNOWN), ("<s>", CONTROL), ("</s>", CONTROL)]
tokens += [("<0x%02X>" % b, BYTE) for b in range(256)]
tokens += [(chr(c), NORMAL) for c in range(0x21, 0x7f)] + [("\u2581", NORMAL)]
pairs = [
    pair("general.architecture", TEXT, text("llama")),
    pair("general.name", TEXT, text("mad")),
    pair("llama.context_length", U32, struct.pack("<I", CONTEXT)),
    pair("llama.embedding_length", U32, struct.pack("<I", EMBEDDING)),
    pair("llama.block_count", U32, struct.pack("<I", LAYERS)),
    pair("llama.feed_forward_length", U32, struct.pack("<I", FORWARD)),
    pair("llama.attention.head_count", U32, struct.pack("<I", HEADS)),
    pair("llama.attention.head_count_kv", U32, struct.pack("<I", HEADS)),
    pair("llama.attention.layer_norm_rms_epsilon", F32, struct.pack("<f", 1e-5)),
    pair("llama.rope.dimension_count", U32, struct.pack("<I", EMBEDDING // HEADS)),
    pair("tokenizer.ggml.model", TEXT, text("llama")),
    pair("tokenizer.ggml.tokens", ARRAY, array(TEXT, b"".join(text(t) for t, _ in tokens), len(tokens))),
    pair("tokenizer.ggml.scores", ARRAY, array(F32, b"".join(struct.pack("<f", -float(i)) for i in range(len(tokens))), len(tokens))),
    pair("tokenizer.ggml.token_type", ARRAY, array(I32, b"".join(struct.pack("<i", k) for _, k in tokens), len(tokens))),
    pair("tokenizer.ggml.bos_token_id", U32, struct.pack("<I", 1)),
    pair("tokenizer.ggml.eos_token_id", U32, struct.pack("<I", 2)),
    pair("tokenizer.ggml.unknown_token_id", U32, struct.pack("<I", 0)),
]
shapes = [("token_embd.weight", (EMBEDDING, len(tokens)))]
for n in range(LAYERS):
    shapes += [("blk.%d.%s.weight" % (n, name), shape) for name, shape in (
        ("attn_norm", (EMBEDDING,)), ("attn_q", (EMBEDDING, EMBEDDING)), ("attn_k", (EMBEDDING, EMBEDDING)),
        ("attn_v", (EMBEDDING, EMBEDDING)), ("attn_output", (EMBEDDING, EMBEDDING)), ("ffn_norm", (EMBEDDING,)),
        ("ffn_gate", (EMBEDDING, FORWARD)), ("ffn_up", (EMBEDDING, FORWARD)), ("ffn_down", (FORWARD, EMBEDDING)))]
shapes += [("output_norm.weight", (EMBEDDING,)), ("output.weight", (EMBEDDING, len(tokens)))]


def weights(name, shape):
    count = shape[0] * (shape[1] if len(shape) > 1 else 1)
    if "norm" in name:
        return struct.pack("<%df" % count, *([1.0] * count))
    return struct.pack("<%df" % count, *(random.gauss(0, 0.12) for _ in range(count)))


infos, data = b"", b""
for name, shape in shapes:
    infos += text(name) + struct.pack("<I", len(shape)) + struct.pack("<%dQ" % len(shape), *shape) + struct.pack("<IQ", 0, len(data))
    data += weights(name, shape)
    data += bytes(-len(data) % ALIGNMENT)
head = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(pairs)) + b"".join(pairs) + infos
with open(sys.argv[1], "wb") as f:
    f.write(head + bytes(-len(head) % ALIGNMENT) + data)
