#!/usr/bin/env python3
"""What networks should take on a GPU that is not here: `aicc --roofline` over the exported ones.

usage: bench/roofline.py [--device NAME] [--save NAME] [--kernels N] [--picture FILE.svg] [NETWORK...]

../shared/bench_models (or AICC_SHARED) has a folder NETWORK with model.onnx and fill.json ({bytes,
tensors: [{dtype, shape, offset}]}) for each row of the table below. The weights are not made: a
sparse file of the right size, in which each tensor differs from the others by its first few numbers,
stands for them. Nothing is run and no code is generated. A prediction is a model's
(tools/roofline.h): it finds what is wrong, and measures nothing.
"""

import argparse
import json
import math
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import support  # noqa: E402

TARGETS = {"h100-sxm": "sm_90", "h200": "sm_90", "a100-sxm": "sm_80", "rtx-4090": "sm_89"}
ROOFS = {  # bytes and FLOP a second: tools/devices.def
    "h100-sxm": (3352e9, {"f16, bf16": 989.4e12, "f32": 66.9e12}),
    "h200": (4800e9, {"f16, bf16": 989.4e12, "f32": 66.9e12}),
    "a100-sxm": (2039e9, {"f16, bf16": 312e12, "f32": 19.5e12}),
    "rtx-4090": (1008e9, {"f16, bf16": 165.2e12, "f32": 82.6e12}),
}
PROMPT = {"batch": 1, "seq": 2048, "past": 0, "total": 2048}
STEP = {"batch": 1, "seq": 1, "past": 2047, "total": 2048}
SHORT = {"batch": 1, "seq": 384}
IMAGE = {"batch": 1}
LATENT = {"batch": 1, "height": 64, "width": 64}
NETWORKS = [
    ("llama3_8b", "prompt 2048", PROMPT),
    ("llama3_8b", "step at 2047", STEP),
    ("llama3_8b_bf16", "prompt 2048", PROMPT),
    ("llama3_8b_bf16", "step at 2047", STEP),
    ("llama3_8b_int4", "prompt 2048", PROMPT),
    ("llama3_8b_int4", "step at 2047", STEP),
    ("llama3_1b", "prompt 2048", PROMPT),
    ("llama3_1b", "step at 2047", STEP),
    ("mixtral_small", "prompt 2048", PROMPT),
    ("mixtral_small", "step at 2047", STEP),
    ("mixtral_small_batched", "step at 2047", STEP),
    ("gpt2", "prompt 1024", {"batch": 1, "seq": 1024, "past": 0, "total": 1024}),
    ("gpt2", "step at 1023", {"batch": 1, "seq": 1, "past": 1023, "total": 1024}),
    ("bert_large", "384 tokens", SHORT),
    ("bert_base", "384 tokens", SHORT),
    ("whisper_large_v3_encoder", "30 s", IMAGE),
    ("whisper_large_v3_decoder", "step at 128", {"batch": 1, "past": 128}),
    ("vit_large_patch16_224", "", IMAGE),
    ("vit_base_patch16_224", "", IMAGE),
    ("swin_base", "", IMAGE),
    ("convnext_base", "", IMAGE),
    ("convnext_tiny", "", IMAGE),
    ("efficientnet_v2_s", "", IMAGE),
    ("efficientnet_b0", "", IMAGE),
    ("resnet50_f16", "", IMAGE),
    ("resnet50", "", IMAGE),
    ("mobilenetv3_small", "", IMAGE),
    ("yolov8m", "640 x 640", {"batch": 1, "height": 640, "width": 640}),
    ("segformer_b2", "", IMAGE),
    ("sd15_unet", "latent 64", LATENT | {"text": 77}),
    ("sdxl_unet", "latent 128", {"batch": 1, "height": 128, "width": 128, "text": 77}),
    ("sd_vae_decoder", "latent 64", LATENT),
]
FORMATS = {"float32": "f", "float16": "e", "bfloat16": "f", "uint8": "B"}


def stand_in(source, folder):
    """model.onnx, and a sparse file in place of its weights."""
    os.makedirs(folder)
    shutil.copyfile(os.path.join(source, "model.onnx"), os.path.join(folder, "model.onnx"))
    with open(os.path.join(source, "fill.json"), encoding="utf-8") as file:
        fill = json.load(file)
    with open(os.path.join(folder, "weights.bin"), "wb") as file:
        file.truncate(fill["bytes"])
        for number, tensor in enumerate(fill["tensors"]):
            source_of = random.Random(number)
            form = FORMATS[tensor["dtype"]]
            items = [source_of.randrange(256) if form == "B" else source_of.uniform(0.1, 1)
                     for _ in range(min(math.prod(tensor["shape"]), 8))]
            packed = [struct.pack("<" + form, item) for item in items]
            kept = [item[2:] if tensor["dtype"] == "bfloat16" else item for item in packed]
            os.pwrite(file.fileno(), b"".join(kept), tensor["offset"])


def roofline_of(folder, sizes, device):
    command = [os.path.join(support.BUILD, "bin", "aicc"), os.path.join(folder, "model.onnx"),
               "-o", os.path.join(folder, "none.so"), "--stop-after", "plan", "--quiet", "--json",
               "--target", TARGETS[device], "--roofline", device]
    for name, value in sizes.items():
        command += ["--dim", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(support.failure(command[0], done.returncode, done.stderr))
    return json.loads(done.stdout)


def lost(kernel):
    return kernel["launches"] * (kernel["predicted_us"] - kernel["roofline_us"])


def line_of(found):
    worst = found["kernels"][0]
    return (f"{found['launches']:9} {found['host_reads']:6} {found['roofline_us'] / 1e3:12.3f} "
            f"{found['predicted_us'] / 1e3:13.3f} "
            f"{found['roofline_us'] / found['predicted_us']:7.0%}  {lost(worst) / 1e3:8.3f} "
            f"{worst['bound']:10} {worst['kernel']}"
            + (f" ({worst['schedule']})" if worst["schedule"] else ""))


def picture(rows, device):
    """Kernels as circles under the device's roofs: FLOP a byte to the right, FLOP a second upwards,
    both logarithmic; the area is the predicted time."""
    wide, high, left, top = 900, 560, 70, 20
    (x0, x1), (y0, y1) = (-2, 4.2), (8, 15.2)
    memory, peaks = ROOFS[device]

    def at(x, y):
        return (left + (math.log10(x) - x0) / (x1 - x0) * wide,
                top + (y1 - math.log10(y)) / (y1 - y0) * high)

    def line(x, y, to_x, to_y, style):
        (a, b), (c, d) = at(x, y), at(to_x, to_y)
        return f'<line x1="{a:.1f}" y1="{b:.1f}" x2="{c:.1f}" y2="{d:.1f}" {style}/>'

    parts = []
    for power in range(x0, int(x1) + 1):
        parts.append(line(10**power, 10**y0, 10**power, 10**y1, 'stroke="#ddd"'))
        x, y = at(10**power, 10**y0)
        parts.append(f'<text x="{x:.0f}" y="{y + 16:.0f}" text-anchor="middle">{10.0**power:g}</text>')
    for power in range(y0, int(y1) + 1):
        parts.append(line(10**x0, 10**power, 10**x1, 10**power, 'stroke="#ddd"'))
        x, y = at(10**x0, 10**power)
        parts.append(f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">1e{power}</text>')
    for name, peak in peaks.items():
        ridge = peak / memory
        parts.append(line(ridge, peak, 10**x1, peak, 'stroke="#333" stroke-width="1.5"'))
        x, y = at(10**x1, peak)
        parts.append(f'<text x="{x - 4:.0f}" y="{y - 5:.0f}" text-anchor="end">{name}</text>')
    ridge = max(peaks.values()) / memory
    parts.append(line(10**x0, memory * 10**x0, ridge, ridge * memory, 'stroke="#333" stroke-width="1.5"'))
    for index, row in enumerate(rows):
        colour = f"hsl({index * 360 // len(rows)} 70% 45%)"
        parts.append(f'<text x="{left + 12}" y="{top + 18 + 15 * index}" fill="{colour}">'
                     f"{row['network']} {row['label']}</text>")
        for kernel in row["kernels"]:
            bytes_moved = kernel["read_bytes"] + kernel["written_bytes"]
            if kernel["flop"] <= 0 or bytes_moved <= 0:
                continue
            x, y = at(min(max(kernel["flop"] / bytes_moved, 10**x0), 10**x1),
                      max(kernel["flop"] / kernel["predicted_us"] * 1e6, 10**y0))
            share = kernel["launches"] * kernel["predicted_us"] / row["predicted_us"]
            said = f"{row['network']}: {kernel['kernel']} {kernel['schedule'] or ''}, {share:.1%}"
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 30 * math.sqrt(share):.1f}" '
                         f'fill="{colour}" fill-opacity="0.45"><title>{said}</title></circle>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + wide + 20}" '
            f'height="{top + high + 44}" font-family="sans-serif" font-size="12">'
            '<rect width="100%" height="100%" fill="#fff"/>'
            f'<text x="{left + wide / 2}" y="{top + high + 36}">FLOP a byte</text>'
            f'<text x="8" y="{top - 6}">FLOP/s, {device}</text>' + "".join(parts) + "</svg>\n")


def main():
    cli = argparse.ArgumentParser(description=__doc__,
                                  formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("networks", nargs="*")
    cli.add_argument("--device", default="h100-sxm", choices=TARGETS)
    cli.add_argument("--save", metavar="NAME", help="also write bench/results/NAME.txt")
    cli.add_argument("--picture", metavar="FILE.svg")
    cli.add_argument("--kernels", type=int, default=0, help="print the N kernels that lose most")
    args = cli.parse_args()
    models, facts, rows = support.shared("bench_models"), support.machine(), []
    if models is None:
        sys.exit("error: there is no ../shared/bench_models")
    lines = [f"{args.device}: predicted, not measured; {facts['date']}; commit {facts['commit']}",
             facts["command"], "",
             f"{'network':26} {'sizes':13} {'launches':>9} {'reads':>6} {'roofline ms':>12} "
             f"{'predicted ms':>13} {'of it':>7}  {'most lost':>8}"]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as work:
        for name, sizes, dims in NETWORKS:
            if args.networks and name not in args.networks:
                continue
            folder = os.path.join(work, name)
            if not os.path.exists(folder):
                stand_in(os.path.join(models, name), folder)
            found = roofline_of(folder, dims, args.device)
            lines.append(f"{name:26} {sizes:13} {line_of(found)}")
            rows.append({"network": name, "label": sizes, "sizes": dims} | found)
            print(lines[-1], flush=True)
            for kernel in found["kernels"][: args.kernels]:
                print(f"  {lost(kernel):10.1f} us {kernel['launches']:4} x {kernel['predicted_us']:9.2f} "
                      f"({kernel['roofline_us']:.2f}) {kernel['bound']:10} {kernel['kernel']} "
                      f"{kernel['schedule'] or ''} {' '.join(kernel['nodes'][:2])}")
    if args.picture:
        with open(args.picture, "w", encoding="utf-8") as file:
            file.write(picture(rows, args.device))
    if args.save:
        for row in rows:
            row["kernels"] = row["kernels"][:3]
            for kernel in row["kernels"]:
                kernel["nodes"] = kernel["nodes"][:2]
        support.write_results(args.save, "\n".join(lines) + "\n", {"machine": facts, "rows": rows})


main()
