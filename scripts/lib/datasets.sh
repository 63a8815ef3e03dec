# shellcheck shell=bash
# The data sets that presets need. Sourced after common.sh; the coordinator runs, TENGEN_SERVER and TENGEN_TOKEN are set.

fashion_folder=/usr/share/datasets/fashion-mnist

# preset_datasets FILE: the names of the data sets that the jobs of a preset take, one a line.
preset_datasets() {
    python3 -c '
import json, sys
document = json.load(open(sys.argv[1]))
names = {given["dataset"] for job in document.get("jobs", [document]) for given in job.get("inputs", {}).values()
         if isinstance(given, dict) and isinstance(given.get("dataset"), str)}
print("\n".join(sorted(names)))' "$1"
}

# Whether the coordinator has a data set of this name.
dataset_is_there() {
    python3 -c '
import json, os, sys, urllib.request
after = ""
while True:
    request = urllib.request.Request(os.environ["TENGEN_SERVER"] + "/api/v1/datasets?limit=500" + after,
                                     headers={"Authorization": "Bearer " + os.environ["TENGEN_TOKEN"]})
    with urllib.request.urlopen(request, timeout=30) as answer:
        page = json.load(answer)
    if any(item["name"] == sys.argv[1] for item in page["items"]):
        sys.exit(0)
    if not page["next"]:
        sys.exit(1)
    after = "&after=" + page["next"]' "$1"
}

# Debian's package holds the four files; the names of the classes are its README's.
add_fashion_mnist() {
    local folder
    ensure_packages fashion-mnist
    folder=$(mktemp -d)
    cp "$fashion_folder"/*-ubyte.gz "$folder"
    printf '%s\n' 'T-shirt/top' Trouser Pullover Dress Coat Sandal Shirt Sneaker Bag 'Ankle boot' >"$folder/classes.txt"
    say "Adding the data set fashion-mnist"
    tengen dataset add "$folder" --name fashion-mnist >/dev/null || fail "the data set fashion-mnist cannot be added"
    rm -rf "$folder"
}

# ensure_datasets FILE: adds what a preset needs and the coordinator lacks, or says how to.
ensure_datasets() {
    local name
    for name in $(preset_datasets "$1"); do
        dataset_is_there "$name" && continue
        case $name in
        fashion-mnist) add_fashion_mnist ;;
        mnist)
            fail "the preset needs the data set mnist, which no Debian package has. With its four files (train-images-idx3-ubyte.gz, \
train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz) in a folder, while scripts/up --preset none runs: \
tengen dataset add FOLDER --name mnist"
            ;;
        *) fail "the preset needs the data set $name: add it with tengen dataset add PATH --name $name" ;;
        esac
    done
}
