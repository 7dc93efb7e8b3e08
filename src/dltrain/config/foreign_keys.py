"""The names that other tools have for keys and values, which users type from memory, and dltrain's names for them.

The names come from Lightning, Keras, Hugging Face, timm, ultralytics, scikit-learn and common scripts. A key is looked
up by its last part alone, because every tool has other sections.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ANY = ("*",)


@dataclass(frozen=True)
class Counterpart:
    """dltrain's counterpart of another tool's key.

    Args:
        keys: dltrain's keys, of which the first that the config has is meant; empty if there is none.
        words: what to do instead or what to know, if there is no such key.
        needless: the values with which the key asks for what dltrain does anyway; `ANY` for all.
    """

    keys: tuple[str, ...] = ()
    words: str = ""
    needless: tuple[str, ...] = ()

    def fix(self, value: Any) -> str:
        """Returns the words for a key with this value."""
        return f"leave it out: {self.words}" if self.is_needless(value) else self.words

    def is_needless(self, value: Any) -> bool:
        """Tells whether a key with this value can be left out, and training stays the same."""
        return self.needless == ANY or spelled_out(value) in self.needless


def spelled_out(value: Any) -> str:
    """Returns a value as it is looked up in tables: in small letters, without quotes."""
    return "null" if value is None else str(value).strip("'\"").lower()


# dltrain's keys, and the names that other tools have for them.
_KEYS: Mapping[str, str] = {
    "trainer.epochs": "max_epochs max_epoch n_epochs num_epochs num_train_epochs total_epochs nb_epoch nb_epochs epoch",
    "trainer.batch_size": "batch bs batchsize train_batch_size per_device_train_batch_size mini_batch_size "
    "minibatch_size",
    "trainer.precision": "mixed_precision dtype torch_dtype",
    "trainer.clip_norm": "gradient_clip_val gradient_clip grad_clip grad_clip_norm clip_grad clip_grad_norm clipnorm "
    "max_grad_norm max_norm gradient_clipping global_clipnorm",
    "trainer.accumulate": "accumulate_grad_batches gradient_accumulation_steps grad_accum accumulation_steps "
    "accumulate_gradients grad_accum_steps",
    "trainer.device": "accelerator gpu gpu_id cuda",
    "trainer.patience": "early_stopping_patience early_stop_patience early_stopping_rounds n_iter_no_change",
    "trainer.min_delta": "early_stopping_threshold early_stopping_min_delta tol",
    "trainer.monitor": "metric_for_best_model monitor_metric eval_metric",
    "trainer.save_epochs": "save_every save_period every_n_epochs",
    "scheduler.warmup": "warmup_ratio",
    "model.bias": "use_bias",
    "trainer.ema": "ema_decay model_ema_decay",
    "trainer.threads": "num_threads n_threads cpu_threads torch_threads",
    "trainer.compile": "torch_compile compile_model",
    "trainer.cuda_graphs": "cuda_graph use_cuda_graph use_cuda_graphs cudagraphs",
    "trainer.deterministic": "use_deterministic_algorithms",
    "optimizer.lr": "learning_rate learningrate lr0 base_lr init_lr initial_lr learning_rate_init max_lr peak_lr",
    "optimizer.weight_decay": "wd weightdecay weight_decay_rate",
    "optimizer.eps": "opt_eps adam_epsilon epsilon",
    "optimizer.betas": "opt_betas adam_betas",
    "trainer.l1": "l1_reg l1_regularization l1_penalty l1_lambda",
    "trainer.l2": "l2_reg l2_regularization l2_penalty l2_lambda",
    "model.hidden": "hidden_dim hidden_dims hidden_units hidden_layers hidden_layer_sizes hidden_features "
    "hidden_channels units neurons layer_sizes",
    "model.hidden model.width": "hidden_size hidden_sizes",
    "model.dropout": "drop drop_rate dropout_rate dropout_p dropout_prob hidden_dropout_prob drop_prob",
    "model.layers": "num_layers n_layers n_layer num_hidden_layers depth n_blocks",
    "model.heads": "num_heads n_heads n_head nhead num_attention_heads",
    "model.width": "d_model n_embd model_dim",
    "model.width model.embedding": "embed_dim embedding_dim emb_dim embedding_size",
    "model.filters": "num_filters n_filters",
    "model.patch": "patch_size",
    "model.bidirectional": "bidir",
    "loss.label_smoothing": "label_smoothing_factor smoothing label_smooth",
    "loss.class_weights": "class_weight",
    "data.val_fraction": "val_split validation_split val_size validation_size valid_size val_ratio valid_fraction "
    "validation_fraction eval_split",
    "data.test_fraction": "test_split test_size test_ratio",
    "data.path": "csv csv_path csv_file data_path data_dir data_root dataset_path train_file train_path filename "
    "file_path train_csv train_data",
    "data.val_path": "val_file validation_file valid_file eval_file val_csv val_data validation_data",
    "data.test_path": "test_file test_csv test_data",
    "data.target": "label labels label_col label_column target_col target_column target_name y_col output_column",
    "data.weight": "sample_weight sample_weights weight_column weight_col",
    "data.text": "text_column text_col sentence_column",
    "data.time": "time_col time_column date_col date_column timestamp_column",
    "data.vocabulary": "vocab_size vocabulary_size max_vocab_size",
    "task": "problem_type",
    "data.user": "user_col user_column user_id",
    "data.item": "item_col item_column item_id",
    "data.drop": "drop_columns drop_cols ignore_columns",
    "data.delimiter": "sep separator",
    "data.horizon": "forecast_horizon prediction_length pred_len max_prediction_length",
    "data.length data.window": "max_length max_len max_seq_length max_seq_len seq_len seq_length sequence_length "
    "context_length block_size lookback input_chunk_length window_size",
    "augment.mixup": "mixup_alpha",
    "augment.cutmix": "cutmix_alpha",
    "data.size": "imgsz img_size image_size input_size resolution",
    "seed": "random_state random_seed manual_seed global_seed rng_seed",
    "hydra.run.dir": "output_dir out_dir log_dir logdir logging_dir save_dir default_root_dir run_dir results_dir",
    "optimizer": "optim opt optimiser solver",
    "scheduler": "lr_scheduler lr_scheduler_type sched lr_schedule learning_rate_schedule",
    "model": "arch architecture net network backbone model_name",
    "data": "dataset datamodule dataset_name data_module",
    "loss": "criterion loss_fn loss_function objective loss_func",
    "augment": "augmentation augmentations aug transform transforms data_augmentation",
}

_ONE_DEVICE = "a run uses one device; choose it with trainer.device=cuda:1"
# Keys of other tools that dltrain does not have, or that work differently.
_WORDS: Mapping[str, str] = {
    "max_steps num_steps max_iter max_iters iterations total_steps train_steps": "training is measured in epochs: "
    "set trainer.epochs, or trainer.max_minutes to limit the time",
    "max_time time_limit": "give trainer.max_minutes",
    "steps_per_epoch limit_train_batches max_batches limit_val_batches limit_test_batches limit_predict_batches "
    "overfit_batches validation_steps max_train_samples max_eval_samples": "trainer.limit_batches=2 limits every "
    "split, training, validation and test, to two batches an epoch; there is no limit for one split alone",
    "amp use_amp": "give trainer.precision=bfloat16 or float16",
    "early_stopping early_stop use_early_stopping": "give trainer.patience, the epochs without improvement before "
    "training stops",
    "warmup_steps warmup_epochs num_warmup_steps warmup_lr warmup": "give scheduler.warmup, a fraction "
    "of all steps, with scheduler=one_cycle or cosine",
    "t_max eta_min min_lr": "scheduler=cosine always ends with the last epoch; its lowest "
    "rate is scheduler.final, a share of optimizer.lr",
    "step_size decay_epochs": "give scheduler.every, in epochs, with scheduler=step",
    "decay_rate lr_decay": "give scheduler.gamma with scheduler=step, or scheduler.factor with scheduler=plateau",
    "resume resume_from_checkpoint ckpt_path checkpoint checkpoint_path": "continue a run from its folder: "
    "dltrain resume RUN",
    "fast_dev_run dry_run smoke": "give debug=smoke",
    "beta1 beta_1 beta2 beta_2 betas1 adam_beta1 adam_beta2": "give both at once, as optimizer.betas=[0.9,0.999]",
    "alpha": "for scikit-learn's L2 penalty, give trainer.l2 or optimizer.weight_decay",
    "c penalty reg_lambda reg_alpha": "for a penalty on weights, give trainer.l1, trainer.l2 or optimizer.weight_decay",
    "n_estimators max_depth num_leaves": "dltrain trains neural networks, and no trees",
    "mode monitor_mode greater_is_better": "whether more is better follows from trainer.monitor",
    "kfold k_fold folds n_folds cv n_splits": "cross-validate: dltrain -m data.folds=5 'data.fold=range(5)'",
    "pos_weight scale_pos_weight": "give a weight for each class, as loss.class_weights=[1,3] with "
    "loss=cross_entropy, or loss.class_weights=balanced",
    "metrics": "every metric of the task is measured; trainer.monitor chooses the one that decides which epoch is best",
    "callbacks": "trainer.patience stops early, trainer.keep=best keeps the best epoch",
    "pretrained weights pretrained_weights": "model=pretrained begins with pretrained weights, those of the network "
    "model.name; init_from=RUN begins with those of a run",
    "save_steps eval_steps val_check_interval save_freq save_strategy": "every epoch is validated; "
    "trainer.save_epochs and trainer.save_minutes say how often a checkpoint is written",
    "early_stopping_monitor": "give trainer.monitor, which also decides which epoch is best",
    "swa use_swa stochastic_weight_avg swa_epoch_start swa_start": "give trainer.swa, the share of all steps, the last "
    "ones, whose weights are averaged, such as 0.25",
    "ema use_ema model_ema": "give trainer.ema, the decay of the average, such as 0.999",
    "clipvalue clip_value clip_grad_value": "trainer.clip_norm limits the norm of all gradients, not each value",
    "learning_rate_scheduler": "choose scheduler=cosine, one_cycle, plateau or step",
}
# Keys that ask for what dltrain does anyway if they have one of these values; what to know with another value.
_NEEDLESS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "num_workers workers dataloader_num_workers pin_memory dataloader_pin_memory persistent_workers prefetch_factor": (
        ANY,
        "the data is in memory, and no worker loads it",
    ),
    "shuffle": (("true", "1"), "training data is always shuffled, other splits are not"),
    "devices gpus num_nodes world_size num_gpus n_gpu num_processes": (("1", "auto"), _ONE_DEVICE),
    "strategy sync_batchnorm": (("auto", "false"), _ONE_DEVICE),
    "gradient_clip_algorithm clip_mode": (("norm",), "trainer.clip_norm clips by the norm of all gradients"),
    "logger loggers report_to wandb tensorboard log_every_n_steps logging_steps log_interval logging_strategy": (
        ("false", "none", "null", "csv"),
        "every run writes metrics.csv and report.html",
    ),
    "num_classes n_classes in_features out_features input_dim output_dim input_shape num_labels": (
        ANY,
        "it follows from the data",
    ),
    "eval_batch_size val_batch_size per_device_eval_batch_size test_batch_size": (
        ANY,
        "dltrain chooses the batch size of evaluation; trainer.batch_size is for training",
    ),
    "check_val_every_n_epoch validation_freq": (("1",), "every epoch is validated"),
    "eval_strategy evaluation_strategy": (("epoch",), "every epoch is validated"),
    "save_total_limit save_top_k save_last save_best_only enable_checkpointing": (
        ("true", "1"),
        "a run keeps the weights of the best epoch and its last checkpoint",
    ),
    "num_sanity_val_steps enable_model_summary": (ANY, "a step is tried before training begins"),
    "enable_progress_bar progress_bar verbose": (("true", "1", "2", "auto"), "--quiet prints less"),
    "compile torch_compile use_compile": (("false", "null", "0"), "models are not compiled"),
    "do_train do_eval": (("true", "1"), "a run trains, validates and tests"),
    "benchmark cudnn_benchmark": (ANY, "trainer.deterministic is the only such setting"),
}

COUNTERPARTS: Mapping[str, Counterpart] = {
    **{name: Counterpart(tuple(keys.split())) for keys, names in _KEYS.items() for name in names.split()},
    **{name: Counterpart(words=words) for names, words in _WORDS.items() for name in names.split()},
    **{
        name: Counterpart(words=words, needless=values)
        for names, (values, words) in _NEEDLESS.items()
        for name in names.split()
    },
}
# What to do where the picked option has no such key, but another key for the same purpose.
OTHERWISE: Mapping[str, Mapping[str, str]] = {
    "model.layers": {
        "model.hidden": "model.hidden has the width of each layer, as in model.hidden=[64,64]",
        "model.blocks": "model.channels has the channels of each stage, and model.blocks the blocks of a stage",
        "model.channels": "model.channels has the channels of each stage",
    },
    "model.width": {"model.hidden": "model.hidden has the width of each layer, as in model.hidden=[64,64]"},
    "model.filters": {"model.channels": "model.channels has the channels of each stage, as in [32,64]"},
    "model.hidden": {"model.channels": "model.channels has the channels of each stage, as in [32,64]"},
}

_BFLOAT16 = dict.fromkeys(("bf16", "bf16-mixed", "bf16-true", "bfloat", "torch.bfloat16"), "bfloat16")
_FLOAT16 = dict.fromkeys(("16", "fp16", "16-mixed", "16-true", "half", "torch.float16", "fp16-mixed"), "float16")
_FLOAT32 = dict.fromkeys(("32", "fp32", "32-true", "single", "full", "no", "none", "torch.float32"), "float32")
VALUES: Mapping[str, Mapping[str, str]] = {
    "trainer.precision": {**_BFLOAT16, **_FLOAT16, **_FLOAT32},
    "trainer.device": {
        **dict.fromkeys(("gpu", "true", "-1"), "auto"),
        **{name: f"cuda:{number}" for number in range(16) for name in (str(number), f"gpu:{number}")},
        "false": "cpu",
    },
    "trainer.clip_norm": {"0": "null", "0.0": "null"},
    "trainer.batch_size": {"-1": "auto"},
    "model.activation": {"swish": "silu"},
    "model.bidirectional": {"1": "true", "0": "false"},
    "task": {
        **dict.fromkeys(("binary", "multiclass", "classify", "classifier"), "classification"),
        **dict.fromkeys(("regress", "regressor"), "regression"),
        **dict.fromkeys(("forecast", "timeseries"), "forecasting"),
    },
    "optimizer": {"adamw_torch": "adamw", "nag": "nesterov"},
    "scheduler": {
        **dict.fromkeys(("cosineannealing", "cosine_with_warmup", "cosine_schedule_with_warmup"), "cosine"),
        **dict.fromkeys(("reducelronplateau", "reduceonplateau", "reduce_on_plateau"), "plateau"),
        **dict.fromkeys(("none", "null", "false"), "constant"),
    },
    "loss": {
        **dict.fromkeys(("ce", "categorical_crossentropy", "sparse_categorical_crossentropy"), "cross_entropy"),
        **dict.fromkeys(("binary_crossentropy", "bcewithlogits", "binary_cross_entropy"), "bce"),
        **dict.fromkeys(("l1", "mean_absolute_error"), "mae"),
        **dict.fromkeys(("l2", "mean_squared_error"), "mse"),
        "smoothl1": "huber",
    },
}
# The networks of torchvision that `model=pretrained` takes as `model.name`, beside those of timm.
# fmt: off
NETWORKS = frozenset((
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny", "densenet121", "densenet161",
    "densenet169", "densenet201", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mnasnet0_75",
    "mnasnet1_0", "mnasnet1_3", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_16gf",
    "regnet_x_1_6gf", "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf", "regnet_y_400mf",
    "regnet_y_800mf", "regnet_y_8gf", "resnet101", "resnet152", "resnet18", "resnet34", "resnet50",
    "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0",
    "shufflenet_v2_x1_5", "shufflenet_v2_x2_0", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
    "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn", "vit_b_16", "vit_b_32",
    "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2", "wide_resnet50_2",
))
# fmt: on
# Switches of other tools: dltrain's key, and its values if the switch is on and off.
SWITCHES: Mapping[str, tuple[str, str, str]] = {
    "fp16": ("trainer.precision", "float16", "float32"),
    "bf16": ("trainer.precision", "bfloat16", "float32"),
    "tf32": ("trainer.precision", "tf32", "float32"),
    "allow_tf32": ("trainer.precision", "tf32", "float32"),
    "use_cuda": ("trainer.device", "auto", "cpu"),
    "no_cuda": ("trainer.device", "cpu", "auto"),
    "cpu": ("trainer.device", "cpu", "auto"),
    "use_gpu": ("trainer.device", "auto", "cpu"),
    "use_cpu": ("trainer.device", "cpu", "auto"),
    "load_best_model_at_end": ("trainer.keep", "best", "last"),
    "restore_best_weights": ("trainer.keep", "best", "last"),
}
# The metrics that are measured after every epoch, and their other names.
METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "acc categorical_accuracy sparse_categorical_accuracy binary_accuracy accuracy_score",
    "precision": "precision_score",
    "recall": "recall_score",
    "f1": "f1_score f1score",
    "mse": "mean_squared_error",
    "rmse": "root_mean_squared_error",
    "mae": "mean_absolute_error",
    "r2": "r2_score",
    "perplexity": "ppl",
    "loss": "",
}
_GROUPS = ("optimizer", "scheduler", "model", "data", "loss")


def counterpart(key: str) -> Counterpart | None:
    """Returns dltrain's counterpart of another tool's key, by its last part; None if no tool has such a key."""
    section, _, name = key.lower().replace("-", "_").rpartition(".")
    if name in ("name", "type", "class_path", "_name_") and section.rpartition(".")[2] in _GROUPS:
        return Counterpart((section.rpartition(".")[2],))
    if name in SWITCHES:
        return Counterpart((SWITCHES[name][0],))
    if name in _GROUPS and section:
        return Counterpart((name,))
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
    text = spelled_out(value)
    name = foreign.lower().replace("-", "_").rpartition(".")[2]
    if name in SWITCHES:
        _, on, off = SWITCHES[name]
        switched = {**dict.fromkeys(("true", "1", "yes"), on), **dict.fromkeys(("false", "0", "no"), off)}
        return switched.get(text)
    if key == "trainer.monitor":
        return monitored(text)
    return VALUES.get(key, {}).get(text)


def monitored(text: str) -> str | None:
    """Returns the metric that another tool's name stands for, such as `val/accuracy` for `val_acc`; None if none is."""
    for prefix in ("val", "valid", "validation", "eval", "dev"):
        text = next(
            (text.removeprefix(f"{prefix}{sign}") for sign in "_/." if text.startswith(f"{prefix}{sign}")), text
        )
    if text in ("train_loss", "training_loss", "train/loss"):
        return "train/loss"
    return next((f"val/{name}" for name, others in METRIC_NAMES.items() if text in (name, *others.split())), None)
