"""Cases of attention and of what goes with it; see operator_cases.py."""

import numpy as np

from case_support import *  # noqa: F403

def heads_of(x, heads):
    batch, length, width = x.shape
    return x.reshape(batch, length, heads, width // heads).transpose(0, 2, 1, 3)


def attend(q, k, v, heads, causal=False, mask=None):
    q, k, v = (heads_of(x, heads) for x in (q, k, v))
    scores = np.matmul(q, k.transpose(0, 1, 3, 2)) / np.float32(math.sqrt(q.shape[-1]))
    if causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, np.float32(-np.inf))
    if mask is not None:
        scores = scores + np.float32(-10000) * (1 - mask[:, None, None]).astype(np.float32)
    y = np.matmul(softmax(scores), v).transpose(0, 2, 1, 3)
    return y.reshape(y.shape[0], y.shape[1], -1)


@case("MultiHeadAttention")
def multi_head_attention(random):
    q, k, v = normal(random, 2, 5, 12), normal(random, 2, 7, 12), normal(random, 2, 7, 12)
    return node("MultiHeadAttention", q, k, v, num_heads=3), [attend(q, k, v, 3)]


@case("Attention")
def attention(random):
    x, w, b = normal(random, 2, 5, 12), normal(random, 12, 36), normal(random, 36)
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    return node("Attention", x, Weight(w), Weight(b), num_heads=3), [attend(q, k, v, 3)]


@case("QAttention")
def q_attention(random):
    x, w, b = bytes_of(random, 2, 5, 12), bytes_of(random, 12, 36), normal(random, 36)
    mask = (np.arange(5) < [[3], [5]]).astype(np.int32)
    all = dequantize(x, f32(0.02), 120) @ dequantize(w, f32(0.005), 130) + b
    q, k, v = np.split(all, 3, axis=-1)
    y = attend(q, k, v, 3, mask=mask)
    return (node("QAttention", x, Weight(w), Weight(b), Weight(f32(0.02)), Weight(f32(0.005)), mask,
                 Weight(u8(120)), Weight(u8(130)), num_heads=3), [y])


@case("AttentionUnidirectional")
def attention_unidirectional(random):
    x, w, b = normal(random, 2, 37, 12), normal(random, 12, 36), normal(random, 36)
    q, k, v = np.split(x @ w + b, 3, axis=-1)
    return (node("Attention", x, Weight(w), Weight(b), num_heads=3, unidirectional=1),
            [attend(q, k, v, 3, causal=True)])


def rotate(x, angles):
    """Pairs (i, i + half) of x[batch, heads, positions, width] by angles[batch, positions, half]."""
    half = angles.shape[-1]
    c, s = np.cos(angles)[:, None], np.sin(angles)[:, None]
    a, b, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return np.concatenate([a * c - b * s, a * s + b * c, rest], axis=-1)


def group_attend(q, k, v, past_key, past_value, lengths, total, window=None, cap=0, sinks=None,
                 angles=None):
    """q[B,H,S,D], k and v[B,G,S,D], pasts [B,G,P,D], the last key of each row: y and both presents."""
    batch, heads, new, width = q.shape
    before = np.maximum(lengths + 1 - new, 0)
    positions = before[:, None] + np.arange(new)
    if angles is not None:
        q, k = rotate(q, angles[positions]), rotate(k, angles[positions])
    presents = []
    for past, news in ((past_key, k), (past_value, v)):
        present = np.zeros((*past.shape[:2], max(past.shape[2], total), width), np.float32)
        for row in range(batch):
            at = before[row]
            present[row, :, :at] = past[row, :, :at]
            present[row, :, at : at + new] = news[row]
        presents.append(present)
    key, value = (np.repeat(x, heads // x.shape[1], axis=1) for x in presents)
    scores = np.matmul(q, key.transpose(0, 1, 3, 2)) / np.float32(math.sqrt(width))
    scores = np.float32(cap) * np.tanh(scores / np.float32(cap)) if cap else scores
    at = np.arange(key.shape[2])
    shown = at <= np.minimum(positions, lengths[:, None])[..., None]
    if window is not None:
        shown &= at > positions[..., None] - window
    scores = np.where(shown[:, None], scores, np.float32(-np.inf))
    if sinks is not None:  # a key without a value
        sink = np.broadcast_to(sinks[:, None, None], (*scores.shape[:3], 1))
        weights = softmax(np.concatenate([scores, sink], axis=-1))[..., :-1]
    else:
        weights = softmax(scores)
    y = np.matmul(weights, value).transpose(0, 2, 1, 3).reshape(batch, new, -1)
    return [y.astype(np.float32), *presents]


def row_lengths(*last):
    return np.array(last, np.int32)


@case("GroupQueryAttention")
def group_query_attention(random):
    q, k, v = normal(random, 2, 5, 32), normal(random, 2, 5, 16), normal(random, 2, 5, 16)
    empty, last = np.zeros((2, 2, 0, 8), np.float32), row_lengths(4, 2)  # the second row is padded
    angles = normal(random, 16, 4)
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), empty, empty, last, 5,
                            angles=angles, window=3)
    return (node("GroupQueryAttention", q, k, v, empty, empty, last, np.array(5, np.int32),
                 Weight(np.cos(angles)), Weight(np.sin(angles)), num_heads=4, kv_num_heads=2,
                 do_rotary=1, local_window_size=3), expected)


@case("GroupQueryAttentionStep")
def group_query_attention_step(random):
    # Rows of different lengths in a buffer that has room; q, k and v in one operand.
    packed = normal(random, 2, 1, 64)
    q, k, v = packed[..., :32], packed[..., 32:48], packed[..., 48:]
    past_key, past_value = normal(random, 2, 2, 9, 8), normal(random, 2, 2, 9, 8)
    last, angles = row_lengths(6, 3), normal(random, 16, 3)  # the last pair is not rotated
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), past_key, past_value,
                            last, 7, angles=angles, cap=2)
    return (node("GroupQueryAttention", packed, None, None, past_key, past_value, last,
                 np.array(7, np.int32), Weight(np.cos(angles)), Weight(np.sin(angles)), num_heads=4,
                 kv_num_heads=2, do_rotary=1, softcap=2.0), expected)


@case("GroupQueryAttentionWindowed")
def group_query_attention_windowed(random):
    """A cache of the last tokens: a step of 3 after 7 in room for 6 with a window of 4."""
    window, room, before, new = 4, 6, 7, 3

    def first_kept(tokens):
        step = room - window + 1
        return step * max(0, -(-(tokens - room) // step))

    full = [normal(random, 1, 2, before + new, 8) for _ in range(2)]  # keys and values of all tokens
    q, first, total = normal(random, 1, new, 32), first_kept(before), before + new
    pasts = []
    for x in full:
        past = np.zeros((1, 2, room, 8), np.float32)
        past[:, :, : before - first] = x[:, :, first:before]
        pasts.append(past)
    y, *_ = group_attend(heads_of(q, 4), *(x[:, :, before:] for x in full),
                         *(x[:, :, :before] for x in full), row_lengths(total - 1), total,
                         window=window)
    presents = []
    for x in full:
        present = np.zeros((1, 2, room, 8), np.float32)
        present[:, :, : total - first_kept(total)] = x[:, :, first_kept(total) :]
        presents.append(present)
    news = [x[:, :, before:].transpose(0, 2, 1, 3).reshape(1, new, 16) for x in full]
    return (node("GroupQueryAttention", q, *news, *pasts, row_lengths(total - 1),
                 np.array(total, np.int32), num_heads=4, kv_num_heads=2, local_window_size=window,
                 sliding_window_cache=1), [y, *presents])


@case("GroupQueryAttentionBothWays")
def group_query_attention_both_ways(random):
    q, k, v = normal(random, 2, 5, 32), normal(random, 2, 5, 16), normal(random, 2, 5, 16)
    y = attend(q, *(np.repeat(heads_of(x, 2), 2, axis=1).transpose(0, 2, 1, 3).reshape(2, 5, 32)
                    for x in (k, v)), 4)
    return (node("GroupQueryAttention", q, k, v, None, None, row_lengths(4, 4),
                 np.array(5, np.int32), num_heads=4, kv_num_heads=2, causal=0),
            [y, heads_of(k, 2), heads_of(v, 2)])


@case("GroupQueryAttentionSinks")
def group_query_attention_sinks(random):
    q, k, v = normal(random, 2, 3, 32), normal(random, 2, 3, 16), normal(random, 2, 3, 16)
    past_key, past_value = normal(random, 2, 2, 4, 8), normal(random, 2, 2, 4, 8)
    last, sinks = row_lengths(6, 6), normal(random, 4)
    expected = group_attend(heads_of(q, 4), heads_of(k, 2), heads_of(v, 2), past_key, past_value,
                            last, 7, sinks=sinks)
    return (node("GroupQueryAttention", q, k, v, past_key, past_value, last, np.array(7, np.int32),
                 None, None, None, None, Weight(sinks), num_heads=4, kv_num_heads=2), expected)


@case("RotaryEmbedding")
def rotary_embedding(random):
    x = normal(random, 2, 3, 4, 8)  # batch, heads, positions, width
    angles = normal(random, 10, 4)
    positions = np.tile(np.arange(2, 6, dtype=np.int64), (2, 1))
    c, s = (f(angles)[positions][:, None] for f in (np.cos, np.sin))
    a, b = np.split(x, 2, axis=-1)
    y = np.concatenate([a * c - b * s, a * s + b * c], axis=-1)
    return node("RotaryEmbedding", x, positions, Weight(np.cos(angles)), Weight(np.sin(angles))), [y]
