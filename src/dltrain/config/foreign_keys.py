"""The names that other tools have for keys and values, which users type from memory, and dltrain's names for them.

The names come from Lightning, Keras, Hugging Face, ultralytics, scikit-learn and common scripts. A key is looked up by
its last part alone, because every tool has other sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Counterpart:
    """dltrain's counterpart of another tool's key.

    Args:
        key: dltrain's key; empty if there is none.
        words: what to do instead, if there is no such key or its value means something else.
    """

    key: str = ""
    words: str = ""


# dltrain's key, and the names that other tools have for it.
_KEYS: Mapping[str, str] = {
    "trainer.epochs": "max_epochs max_epoch n_epochs num_epochs num_train_epochs total_epochs nb_epoch nb_epochs epoch",
    "trainer.batch_size": "batch bs batchsize train_batch_size per_device_train_batch_size mini_batch_size "
    "minibatch_size",
    "trainer.precision": "mixed_precision dtype torch_dtype",
    "trainer.clip_norm": "gradient_clip_val gradient_clip grad_clip grad_clip_norm clip_grad clip_grad_norm clipnorm "
    "max_grad_norm max_norm gradient_clipping global_clipnorm",
    "trainer.accumulate": "accumulate_grad_batches gradient_accumulation_steps grad_accum accumulation_steps "
    "accumulate_gradients",
    "trainer.device": "accelerator gpu gpu_id cuda",
    "trainer.patience": "early_stopping_patience early_stop_patience early_stopping_rounds n_iter_no_change",
    "trainer.min_delta": "early_stopping_threshold early_stopping_min_delta tol",
    "trainer.monitor": "metric_for_best_model monitor_metric",
    "trainer.save_epochs": "save_every save_period save_freq every_n_epochs",
    "trainer.ema": "ema_decay model_ema model_ema_decay",
    "trainer.limit_batches": "limit_train_batches max_batches",
    "trainer.threads": "num_threads n_threads cpu_threads torch_threads",
    "trainer.deterministic": "use_deterministic_algorithms",
    "optimizer.lr": "learning_rate learningrate lr0 base_lr init_lr initial_lr learning_rate_init max_lr peak_lr",
    "optimizer.weight_decay": "wd weightdecay",
    "trainer.l1": "l1_reg l1_regularization l1_penalty l1_lambda",
    "trainer.l2": "l2_reg l2_regularization l2_penalty l2_lambda",
    "model.hidden": "hidden_size hidden_sizes hidden_dim hidden_dims hidden_units hidden_layers hidden_layer_sizes "
    "hidden_features hidden_channels units neurons layer_sizes",
    "model.dropout": "drop drop_rate dropout_rate dropout_p dropout_prob hidden_dropout_prob drop_prob",
    "model.layers": "num_layers n_layers n_layer num_hidden_layers depth n_blocks",
    "model.heads": "num_heads n_heads n_head nhead num_attention_heads",
    "model.width": "d_model embed_dim embedding_dim emb_dim n_embd model_dim",
    "model.bidirectional": "bidir",
    "loss.label_smoothing": "label_smoothing_factor smoothing label_smooth",
    "loss.class_weights": "class_weight",
    "data.val_fraction": "val_split validation_split val_size validation_size valid_size val_ratio valid_fraction "
    "validation_fraction eval_split",
    "data.test_fraction": "test_split test_size test_ratio",
    "data.path": "csv csv_path csv_file data_path data_dir data_root dataset_path train_file train_path filename "
    "file_path",
    "data.target": "label labels label_col label_column target_col target_column y_col output_column",
    "data.weight": "sample_weight sample_weights weight_column weight_col",
    "data.size": "imgsz img_size image_size input_size resolution crop_size",
    "seed": "random_state random_seed manual_seed global_seed rng_seed",
    "hydra.run.dir": "output_dir out_dir log_dir logdir logging_dir save_dir default_root_dir run_dir results_dir",
    "optimizer": "optim opt optimiser",
    "scheduler": "lr_scheduler lr_scheduler_type sched lr_schedule learning_rate_schedule",
    "model": "arch architecture net network backbone model_name",
    "data": "dataset datamodule dataset_name data_module",
    "loss": "criterion loss_fn loss_function objective loss_func",
    "augment": "augmentation augmentations aug transform transforms data_augmentation",
}

# Keys of other tools that dltrain does not have, or that work differently.
_WORDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("max_steps", "num_steps", "max_iter", "max_iters", "iterations", "total_steps", "train_steps"),
        "training is measured in epochs: set trainer.epochs, or trainer.max_minutes to limit the time",
    ),
    **dict.fromkeys(("max_time", "time_limit"), "give trainer.max_minutes"),
    **dict.fromkeys(
        ("num_workers", "workers", "dataloader_num_workers", "pin_memory", "persistent_workers", "prefetch_factor"),
        "leave it out: the data is in memory, and no worker loads it",
    ),
    "shuffle": "leave it out: training data is always shuffled, other splits are not",
    **dict.fromkeys(
        ("devices", "gpus", "num_nodes", "world_size", "num_gpus", "n_gpu", "num_processes"),
        "leave it out: a run uses one device; choose it with trainer.device=cuda:1",
    ),
    **dict.fromkeys(("amp", "use_amp"), "give trainer.precision=bfloat16 or float16"),
    "gradient_clip_algorithm": "leave it out: trainer.clip_norm clips by the norm of all gradients",
    **dict.fromkeys(
        ("early_stopping", "early_stop", "use_early_stopping"),
        "give trainer.patience, the epochs without improvement before training stops",
    ),
    **dict.fromkeys(
        ("warmup_steps", "warmup_epochs", "warmup_ratio", "num_warmup_steps", "warmup"),
        "give scheduler.warmup, a fraction of all steps, with scheduler=one_cycle or cosine",
    ),
    **dict.fromkeys(
        ("resume", "resume_from_checkpoint", "ckpt_path", "checkpoint", "checkpoint_path"),
        "continue a run from its folder: dltrain resume RUN",
    ),
    **dict.fromkeys(
        (
            "logger",
            "loggers",
            "report_to",
            "wandb",
            "tensorboard",
            "log_every_n_steps",
            "logging_steps",
            "log_interval",
        ),
        "leave it out: every run writes metrics.csv and report.html",
    ),
    **dict.fromkeys(("fast_dev_run", "dry_run", "smoke"), "give debug=smoke"),
    **dict.fromkeys(("enable_progress_bar", "progress_bar"), "give --quiet"),
    "verbose": "give --quiet for less output",
    **dict.fromkeys(
        ("num_classes", "n_classes", "in_features", "out_features", "input_dim", "output_dim", "vocab_size"),
        "leave it out: it follows from the data",
    ),
    **dict.fromkeys(("betas1", "beta1", "beta2", "adam_beta1", "adam_beta2"), "give optimizer.betas=[0.9,0.999]"),
    **dict.fromkeys(
        ("eval_batch_size", "val_batch_size", "per_device_eval_batch_size", "test_batch_size"),
        "leave it out: dltrain chooses the batch size of evaluation; trainer.batch_size is for training",
    ),
}

COUNTERPARTS: Mapping[str, Counterpart] = {
    **{name: Counterpart(key) for key, names in _KEYS.items() for name in names.split()},
    **{name: Counterpart(words=words) for name, words in _WORDS.items()},
}

_BFLOAT16 = dict.fromkeys(("bf16", "bf16-mixed", "bf16-true", "bfloat", "torch.bfloat16"), "bfloat16")
_FLOAT16 = dict.fromkeys(("16", "fp16", "16-mixed", "16-true", "half", "torch.float16", "fp16-mixed"), "float16")
_FLOAT32 = dict.fromkeys(("32", "fp32", "32-true", "single", "full", "no", "none", "torch.float32"), "float32")
VALUES: Mapping[str, Mapping[str, str]] = {
    "trainer.precision": {**_BFLOAT16, **_FLOAT16, **_FLOAT32},
    "trainer.device": {
        **dict.fromkeys(("gpu", "true", "-1", "tpu"), "auto"),
        **{str(number): f"cuda:{number}" for number in range(16)},
        "false": "cpu",
    },
    "trainer.clip_norm": {"0": "null", "0.0": "null"},
    "trainer.batch_size": {"-1": "auto"},
    "trainer.patience": {"0": "null"},
    "optimizer": {"adam_w": "adamw", "adamw_torch": "adamw", "nag": "nesterov"},
    "scheduler": {
        **dict.fromkeys(("cosineannealinglr", "cosine_annealing", "cosineannealing"), "cosine"),
        **dict.fromkeys(("onecycle", "onecyclelr"), "one_cycle"),
        **dict.fromkeys(("reducelronplateau", "reduce_on_plateau"), "plateau"),
        **dict.fromkeys(("steplr", "multistep"), "step"),
    },
    "loss": {
        **dict.fromkeys(
            ("ce", "crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"),
            "cross_entropy",
        ),
        **dict.fromkeys(("binary_crossentropy", "bcewithlogits", "bce_with_logits"), "bce"),
        **dict.fromkeys(("l1", "mean_absolute_error"), "mae"),
        **dict.fromkeys(("l2", "mean_squared_error"), "mse"),
        "smooth_l1": "huber",
    },
}
# Switches of other tools: the value `true` of such a key stands for a value of dltrain's key.
SWITCHES: Mapping[str, tuple[str, str]] = {
    "fp16": ("trainer.precision", "float16"),
    "bf16": ("trainer.precision", "bfloat16"),
    "use_cuda": ("trainer.device", "auto"),
    "no_cuda": ("trainer.device", "cpu"),
    "use_cpu": ("trainer.device", "cpu"),
}


def counterpart(key: str) -> Counterpart | None:
    """Returns dltrain's counterpart of another tool's key, by its last part; None if no tool has such a key."""
    section, _, name = key.lower().replace("-", "_").rpartition(".")
    if name in ("name", "type", "class_path", "_name_") and section.rpartition(".")[2] in _GROUPS:
        return Counterpart(section.rpartition(".")[2])
    if name in SWITCHES:
        return Counterpart(SWITCHES[name][0])
    if name in _GROUPS and section:
        return Counterpart(name)
    return COUNTERPARTS.get(name)


def translated(foreign: str, key: str, value: Any) -> str | None:
    """Returns dltrain's value for another tool's key and value.

    Args:
        foreign: the key as typed.
        key: dltrain's key.
        value: the value as typed or read.

    Returns:
        The value for `key`; None if it stays as it is.
    """
    text = str(value).lower()
    name = foreign.lower().replace("-", "_").rpartition(".")[2]
    if name in SWITCHES and text in ("true", "1", "yes"):
        return SWITCHES[name][1]
    return VALUES.get(key, {}).get(text)


_GROUPS = ("optimizer", "scheduler", "model", "data", "loss")
