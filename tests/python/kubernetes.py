"""Holds files against the schemas of Kubernetes and prints them as JSON.

usage: kubernetes.py VERSIONS FILE...

VERSIONS are of Kubernetes, separated by commas; with none, nothing is held against anything. A field that
the schema does not know is an error, as the API server would only warn of it and do without. Prints an
object of all documents of each file, and ends with 1 when one of them does not fit.
"""

import json
import sys

import kubernetes_validate
import yaml


def main(versions, files):
    problems, documents = [], {}
    for file in files:
        with open(file, encoding="utf-8") as opened:
            documents[file] = list(yaml.safe_load_all(opened))
        for document in documents[file]:
            for version in filter(None, versions.split(",")):
                try:
                    kubernetes_validate.validate(document, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    place = ".".join(map(str, error.absolute_path))
                    problems.append(f"{file}: Kubernetes {version}: {place}: {error.message}")
    json.dump(documents, sys.stdout)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
