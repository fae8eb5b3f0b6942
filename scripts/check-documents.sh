#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# YAML and JSON of ours parse; every $ref inside docs/openapi.yaml and the schemas leads somewhere; every relative link of
# the Markdown files leads to a file.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-/usr/bin/python3}
"$python" -c 'import yaml' 2>/dev/null || {
	echo "skipped: python3-yaml is not installed"
	exit 77
}
exec "$python" - <<'EOF_PY'
import json, os, re, subprocess, sys, yaml

bad = []
skip = {".git", "build", "node_modules", ".cache"}


def walk():
    for base, dirs, names in os.walk("."):
        dirs[:] = [d for d in dirs if d not in skip]
        for name in names:
            yield os.path.join(base, name)[2:]


def refs(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from refs(value)
    elif isinstance(node, list):
        for value in node:
            yield from refs(value)


def resolve(document, path, ref):
    where, _, pointer = ref.partition("#")
    if where.startswith(("http://", "https://")):
        return True
    if where:
        target = os.path.join(os.path.dirname(path), where)
        if not os.path.exists(target):
            return False
        document = load(target)
    for part in [p for p in pointer.split("/") if p]:
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def load(path):
    with open(path) as f:
        return json.load(f) if path.endswith(".json") else yaml.safe_load(f)


count = 0
for path in walk():
    # Corpora hold broken documents on purpose.
    if path.startswith("tests/"):
        continue
    if path.endswith((".yaml", ".yml", ".json")):
        try:
            document = load(path)
        except Exception as e:
            bad.append(f"{path}: {e}")
            continue
        count += 1
        for ref in refs(document):
            if not resolve(document, path, ref):
                bad.append(f"{path}: $ref {ref} leads nowhere")
        if path == "docs/openapi.yaml":
            if not str(document.get("openapi", "")).startswith("3."):
                bad.append(f"{path}: no OpenAPI 3 document")
            for route, item in document.get("paths", {}).items():
                for method, operation in item.items():
                    if method in ("get", "put", "post", "delete", "patch") and not operation.get("responses"):
                        bad.append(f"{path}: {method} {route} has no responses")
    elif path.endswith(".md"):
        count += 1
        text = re.sub(r"```.*?```", "", open(path).read(), flags=re.S)
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if link.startswith(("http://", "https://", "mailto:", "#")):
                continue
            target = os.path.join(os.path.dirname(path), link.split("#")[0])
            if not os.path.exists(target):
                bad.append(f"{path}: link to {link} leads nowhere")

for line in bad:
    print(line)
if not bad:
    print(f"{count} documents")
sys.exit(1 if bad or not count else 0)
EOF_PY
