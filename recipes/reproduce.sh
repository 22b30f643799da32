#!/usr/bin/env bash
# The whole paper, from download to tables, in one folder:
#
#   bash recipes/reproduce.sh            Qwen2-VL-2B, then 7B, then held-out tasks, ablations and LamRA-Ret, all of 7B
#   SIZES=2b bash recipes/reproduce.sh   one of them; what follows 7B comes with 7b
#
# The paper's own cost of one 7B: stage 1 3 h on 8 H20, stage 2 48 h on 16, stage 3 16 h on 8.
# What is there already is not made again, so a stopped script is started again as it was.
# MRBench is drawn from M-BEIR, since its authors have not published theirs. The unseen sets and videos are judged where
# their folders are there, by the names of `elva evaluate unseen` and `video` (SETS/flickr30k, SETS/msrvtt; docs/benchmarks.md
# has the layouts); those that are not are named.
# Not here: stage 3 on PUMA and MM-Embed (docs/guide.md says why).
set -euo pipefail

DATA=${DATA:-M-BEIR}
RL=${RL:-M-BEIR-1pct}
MRBENCH=${MRBENCH:-MRBench}
SETS=${SETS:-sets}
RUNS=${RUNS:-runs}
SIZES=${SIZES:-2b 7b}
TOO_NEAR="--max-similarity 0.7" # the paper's threshold on negatives is open; this value is one in use

base() { # SIZE
    echo "Qwen2-VL-${1^^}-Instruct"
}

there() { # SET; says which one is not
    if [ ! -d "$SETS/$1" ]; then
        echo "$SETS/$1 is not there, so $1 is left out; docs/benchmarks.md says what to download" >&2
        return 1
    fi
}

# --- Download -----------------------------------------------------------------------------------------------------
# Read the licences first. M-BEIR is some hundred gigabytes with its pictures.

if [ ! -d "$DATA/query" ]; then
    huggingface-cli download TIGER-Lab/M-BEIR --repo-type dataset --local-dir "$DATA"
    cat "$DATA"/mbeir_images.tar.gz.part-* | tar -xz -C "$DATA"
fi
if [ ! -f "$DATA/nli_for_simcse.csv" ]; then
    huggingface-cli download princeton-nlp/datasets-for-simcse nli_for_simcse.csv --repo-type dataset --local-dir "$DATA"
fi
for size in $SIZES; do
    model=$(base "$size")
    [ -d "$model" ] || huggingface-cli download "Qwen/$model" --local-dir "$model"
done
if [[ " $SIZES " == *" 7b "* && ! -d LamRA-Ret ]]; then
    huggingface-cli download code-kunkun/LamRA-Ret --local-dir LamRA-Ret
fi

# --- Data ---------------------------------------------------------------------------------------------------------

elva data check "$DATA" --no-images # counts beside the published ones; drop the option once, to open every picture
[ -d "$RL" ] || elva data subset "$DATA" --out "$RL" --share 0.01 --seed 0

[ -d "$MRBENCH" ] || elva mrbench build "$DATA" --out "$MRBENCH" --model "$(base "${SIZES##* }")"

unseen=() video=()
for name in sharegpt4v urban1k flickr30k circo genecis visdial fashioniq-multiturn ccneg sugarcrepe; do
    if there "$name"; then unseen+=("$name"); fi
done
for name in msrvtt msvd; do
    if there "$name"; then video+=("$name"); fi
done

# --- What each run is made of -------------------------------------------------------------------------------------

captioned() { # FILE ROOT MODEL
    [ -f "$1" ] || elva caption "$2" --model "$3" --named-only --out "$1"
}

trained() { # RUN RECIPE SETTING...
    local run=$1
    shift
    [ -d "$run/model" ] || elva train "$@" --out "$run" --resume
}

mined() { # FILE MODEL OPTION...
    local file=$1 model=$2
    shift 2
    [ -f "$file" ] || elva mine "$RL" --model "$model" --out "$file" "$@"
}

judged() { # RUN OPTION...; on M-BEIR
    local run=$1
    shift
    judged_on "$run" eval mbeir "$DATA" "$@"
}

judged_on() { # RUN NAME BENCHMARK ARGUMENT...; MODEL where it was not trained here
    local run=$1 out=$1/$2
    shift 2
    [ -f "$out/table.md" ] || elva evaluate "$@" --model "${MODEL:-$run/model}" --out "$out"
}

judged_on_mrbench() { # RUN
    judged_on "$1" mrbench mrbench "$MRBENCH"
}

judged_on_sets() { # RUN
    local name
    for name in "${unseen[@]}"; do
        judged_on "$1" "$name" unseen "$name" "$SETS/$name" --instructions "$DATA/instructions/query_instructions.tsv"
    done
    for name in "${video[@]}"; do
        judged_on "$1" "$name" video "$name" "$SETS/$name"
    done
}

# --- The three stages, both sizes ---------------------------------------------------------------------------------

models=() others=() # what the tables are made of
for size in $SIZES; do
    run=$RUNS/$size captions=$DATA/captions-$size.jsonl negatives=$RL/negatives-$size.jsonl
    trained "$run/stage1" "paper/$size/stage1" data.root="$DATA" data.triples=nli_for_simcse.csv \
        model.path="$(base "$size")"
    captioned "$captions" "$DATA" "$(base "$size")"
    trained "$run/stage2" "paper/$size/stage2" data.root="$DATA" data.captions="$captions" \
        model.path="$run/stage1/model"
    mined "$negatives" "$run/stage2/model" --top 50 $TOO_NEAR
    trained "$run/stage3" "paper/$size/stage3" data.root="$RL" data.negatives="$negatives" model.path="$run/stage2/model"
    for each in stage2 stage3; do
        judged "$run/$each"
        judged_on_mrbench "$run/$each"
        judged_on_sets "$run/$each"
    done
    models+=("stage 2, $size=$run/stage2" "stage 3, $size=$run/stage3")
done

# --- 7B: tasks held out of training, the ablations of stage 3, and stage 3 on LamRA-Ret -----------------------------

if [[ " $SIZES " == *" 7b "* ]]; then
    run=$RUNS/7b without=(--exclude-task 4 --exclude-task 6 --exclude-task 8) only=(--task 4 --task 6 --task 8)
    negatives=$RL/negatives-held-out.jsonl
    trained "$run/held_out_stage2" paper/7b/held_out_stage2 data.root="$DATA" \
        data.captions="$DATA/captions-7b.jsonl" model.path="$run/stage1/model"
    mined "$negatives" "$run/held_out_stage2/model" --top 50 $TOO_NEAR "${without[@]}"
    trained "$run/held_out_stage3" paper/7b/held_out_stage3 data.root="$RL" data.negatives="$negatives" \
        model.path="$run/held_out_stage2/model"
    judged "$run/held_out_stage2" "${only[@]}"
    judged "$run/held_out_stage3" "${only[@]}"
    others+=(--held-out "stage 2=$run/held_out_stage2" --held-out "stage 3=$run/held_out_stage3")

    others+=(--ablation "whole=$run/stage3")
    ablated() { # NAME NEGATIVES SETTING...; the names are those of recipes/ablations
        local name=$1 negatives=$2
        shift 2
        trained "$run/$name" paper/7b/stage3 data.root="$RL" data.negatives="$negatives" \
            model.path="$run/stage2/model" "$@"
        judged "$run/$name"
        others+=(--ablation "$name=$run/$name")
    }
    all_hard=(reinforce.hard_negatives=100 reinforce.random_negatives=0)
    mined "$RL/negatives-top100.jsonl" "$run/stage2/model" --top 100
    mined "$RL/negatives-filtered100.jsonl" "$run/stage2/model" --top 100 $TOO_NEAR
    ablated no_rank "$RL/negatives-7b.jsonl" reinforce.reward.epsilon=0
    ablated no_margin "$RL/negatives-7b.jsonl" reinforce.reward.alpha=0
    ablated no_negatives_term "$RL/negatives-7b.jsonl" reinforce.reward.gamma=0
    ablated no_sampling_strategy "$RL/negatives-top100.jsonl" "${all_hard[@]}"
    ablated no_random "$RL/negatives-filtered100.jsonl" "${all_hard[@]}"
    ablated weights_64 "$RL/negatives-7b.jsonl" reinforce.reward.alpha=0.6 reinforce.reward.epsilon=0.4
    ablated weights_55 "$RL/negatives-7b.jsonl" reinforce.reward.alpha=0.5 reinforce.reward.epsilon=0.5

    run=$RUNS/lamra captions=$RL/captions.jsonl negatives=$RL/negatives-lamra.jsonl
    captioned "$captions" "$RL" Qwen2-VL-7B-Instruct
    trained "$run/adapt" plug-in/lamra_adapt data.root="$RL" data.captions="$captions" model.path=LamRA-Ret
    mined "$negatives" "$run/adapt/model" --top 50 $TOO_NEAR
    trained "$run/stage3" plug-in/lamra_stage3 data.root="$RL" data.negatives="$negatives" model.path="$run/adapt/model"
    MODEL=LamRA-Ret judged "$run/as-it-is"
    MODEL=LamRA-Ret judged_on_mrbench "$run/as-it-is"
    for each in adapt stage3; do
        judged "$run/$each"
        judged_on_mrbench "$run/$each"
    done
    others+=(--plug-in "LamRA-Ret=$run/as-it-is" --plug-in "LamRA-Ret, adapted=$run/adapt")
    others+=(--plug-in "LamRA-Ret + stage 3=$run/stage3")
fi

# --- Tables -------------------------------------------------------------------------------------------------------

elva report "${models[@]}" "${others[@]}" --out "$RUNS/tables.html" # and tables.md, tables.tex, tables.json beside it
