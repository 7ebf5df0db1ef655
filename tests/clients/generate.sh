#!/bin/sh
# One job of the HTTP API with curl alone: submits, waits, downloads, and checks what came.
#
#   PERCEPTIS_API_BASE_URL=... PERCEPTIS_API_KEY=... generate.sh PROMPT DIRECTORY [deck|single_slide]
#
# POLL_SECONDS is the pause between two polls, 5 by default. Prints a line for each file, and nothing else on
# standard output.
set -eu

: "${PERCEPTIS_API_BASE_URL:?}" "${PERCEPTIS_API_KEY:?}"
[ $# -ge 2 ] || { echo "usage: generate.sh PROMPT DIRECTORY [deck|single_slide]" >&2; exit 2; }
prompt=$1 directory=$2 type=${3:-deck}
pause=${POLL_SECONDS:-5}
api=${PERCEPTIS_API_BASE_URL%/}/api/v1

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# In a file: every user of the machine can read a command's arguments.
printf 'Authorization: Bearer %s\n' "$PERCEPTIS_API_KEY" >"$work/key"

# A field of the last answer.
field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$work/body" "$1"; }

# The files of the last answer, a line each: variant and URL.
downloads() {
    python3 -c 'import json, sys
for file in json.load(open(sys.argv[1]))["downloads"]: print(file["variant"], file["url"])' "$work/body"
}

# How long the last answer asks to wait: seconds or an HTTP date, nothing where it asks for neither.
asked() {
    python3 - "$work/head" <<'END'
import email.utils, re, sys, time
found = re.findall(r"^retry-after:[ \t]*(.*?)\s*$", open(sys.argv[1]).read(), re.I | re.M)
if found and found[-1].isdigit():
    print(found[-1])
elif found:
    try:
        print(max(0, round(email.utils.parsedate_to_datetime(found[-1]).timestamp() - time.time())))
    except ValueError:
        pass
END
}

# One request, until there is an answer that another try would not change. Sets $status.
request() {
    tries=0
    while :; do
        : >"$work/head"
        status=$(curl --silent --show-error --max-time 60 --header "@$work/key" --dump-header "$work/head" \
            --output "$work/body" --write-out '%{http_code}' "$@") || status=000
        case $status in
            000 | 408 | 429 | 5??) ;;
            *) return 0 ;;
        esac
        tries=$((tries + 1))
        [ $tries -lt 8 ] || return 0
        wait=$(asked)
        sleep "${wait:-$pause}"
    done
}

refused() { echo "generate.sh: $1: $status $(cat "$work/body" 2>/dev/null)" >&2; exit 1; }

# One key for all tries: however many get through, it is one job and one bill.
key=$(python3 -c 'import uuid; print(uuid.uuid4())')
python3 -c 'import json, sys; json.dump({"prompt": sys.argv[1], "output_type": sys.argv[2]}, sys.stdout)' \
    "$prompt" "$type" >"$work/request"
request --header 'Content-Type: application/json' --header "Idempotency-Key: $key" --data-binary "@$work/request" \
    "$api/generate"
case $status in 2??) ;; *) refused "not accepted" ;; esac
job=$(field job_id)

completed() {
    while :; do
        sleep "$pause"
        request "$api/status/$job"
        [ "$status" = 200 ] || refused "job $job"
        case $(field status) in
            completed) return ;;
            failed) refused "job $job failed" ;;
        esac
    done
}

# A URL holds for a short while: when a download fails, the next poll has a fresh one.
mkdir -p "$directory"
left=5
while :; do
    completed
    failed=
    downloads >"$work/files"
    while read -r variant url; do
        file=$directory/$job-$variant.pptx
        # Without the key: the URL is signed, and may be another host's.
        curl --silent --show-error --fail --location --max-time 300 --output "$work/file" "$url" &&
            python3 -c 'import sys, zipfile
file = zipfile.ZipFile(sys.argv[1])
sys.exit(file.testzip() is not None or "ppt/presentation.xml" not in file.namelist())' "$work/file" &&
            mv "$work/file" "$file" || failed=1
    done <"$work/files"
    [ -n "$failed" ] || [ ! -s "$work/files" ] || break
    left=$((left - 1))
    [ $left -gt 0 ] || { echo "generate.sh: job $job: its files can't be had" >&2; exit 1; }
done
while read -r variant _; do echo "$directory/$job-$variant.pptx"; done <"$work/files"
