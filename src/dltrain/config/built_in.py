"""The short name of each built-in target, and the names that older run folders give it.

A config's `_target_` is a short name for built-in code and a dotted path for everything else, so that files do not
depend on the layout of dltrain's modules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# By slot: the short name and where it is defined. Names in older run folders are read through MOVED.
BUILT_IN: Mapping[str, Mapping[str, str]] = {
    "data": {
        "animals": "dltrain.kinds.image.load.animals",
        "captcha": "dltrain.kinds.image.captcha.captcha",
        "corpus": "dltrain.kinds.corpus.load.corpus",
        "csv": "dltrain.kinds.table.csv_config.csv",
        "cubic": "dltrain.kinds.table.formulas.cubic",
        "digits": "dltrain.kinds.image.digits.digits",
        "images": "dltrain.kinds.image.load.images",
        "number_words": "dltrain.kinds.pairs.load.number_words",
        "pairs": "dltrain.kinds.pairs.load.pairs",
        "ratings": "dltrain.kinds.ratings.load.ratings",
        "regression": "dltrain.kinds.table.formulas.regression",
        "series": "dltrain.kinds.series.load.series",
        "sums": "dltrain.kinds.pairs.load.sums",
        "text": "dltrain.kinds.text.load.text",
        "torchvision_images": "dltrain.kinds.image.torchvision_sets.torchvision_images",
        "toy_table": "dltrain.kinds.table.scikit_learn.toy_table",
        "words": "dltrain.kinds.words.load.words",
        "verse": "dltrain.kinds.corpus.load.verse",
    },
    "model": {
        "auto": "dltrain.models.auto.Auto",
        "auto_recommender": "dltrain.models.auto_recommender.auto_recommender",
        "bag": "dltrain.models.bag.Bag",
        "cnn": "dltrain.models.cnn.CNN",
        "dlinear": "dltrain.models.dlinear.DLinear",
        "ease": "dltrain.models.ease.Ease",
        "encoder": "dltrain.models.encoder.Encoder",
        "encoder_decoder": "dltrain.models.encoder_decoder.EncoderDecoder",
        "gru_attention": "dltrain.models.gru_attention.GRUAttention",
        "knn": "dltrain.models.knn.KNN",
        "linear": "dltrain.models.linear.Linear",
        "mlp": "dltrain.models.mlp.MLP",
        "nhits": "dltrain.models.nhits.NHiTS",
        "patchtst": "dltrain.models.patchtst.PatchTST",
        "pretrained": "dltrain.models.pretrained.Pretrained",
        "recommender": "dltrain.models.recommender.Recommender",
        "resnet": "dltrain.models.resnet.ResNet",
        "resnet9": "dltrain.models.resnet9.ResNet9",
        "rnn": "dltrain.models.rnn.RNN",
        "sasrec": "dltrain.models.sasrec.SASRec",
        "tabm": "dltrain.models.tabm.TabM",
        "tide": "dltrain.models.tide.TiDE",
        "textcnn": "dltrain.models.textcnn.TextCNN",
        "transformer": "dltrain.models.transformer.Transformer",
        "word2vec": "dltrain.models.word2vec.Word2Vec",
    },
    "loss": {
        "bce": "dltrain.tasks.losses.BinaryCrossEntropy",
        "bpr": "dltrain.tasks.losses.PairwiseRanking",
        "cross_entropy": "dltrain.tasks.losses.CrossEntropy",
        "default_smooth": "dltrain.tasks.losses.default_smooth",
        "focal": "dltrain.tasks.losses.Focal",
        "hinge": "dltrain.tasks.losses.Hinge",
        "huber": "dltrain.tasks.losses.Huber",
        "mae": "dltrain.tasks.losses.MeanAbsoluteError",
        "mse": "dltrain.tasks.losses.MeanSquaredError",
        "negative_sampling": "dltrain.tasks.losses.NegativeSampling",
        "quantile": "dltrain.tasks.losses.Quantile",
        "sampled_softmax": "dltrain.tasks.losses.SampledSoftmax",
    },
    "scheduler": {
        name: f"dltrain.training.schedules.{name}" for name in ("constant", "cosine", "one_cycle", "plateau", "step")
    },
    "trainer": {"trainer": "dltrain.training.settings.TrainerSettings"},
    "baseline": {"baselines": "dltrain.experiment.baselines.BaselineSettings"},
    "logger": {
        "mlflow": "dltrain.loggers.mlflow.MLflow",
        "tensorboard": "dltrain.loggers.tensorboard.TensorBoard",
        "wandb": "dltrain.loggers.wandb.WandB",
    },
    "augment": {
        "images": "dltrain.kinds.image.augment.Augment",
        "texts": "dltrain.kinds.text.augment.AugmentText",
    },
}

# The paths in run folders of schema 1, which had no short names.
_SCHEMA_1: Mapping[str, Mapping[str, str]] = {
    "data": {
        "data.corpus.corpus": "corpus",
        "data.corpus.verse": "verse",
        "data.images.animals": "animals",
        "data.images.images": "images",
        "data.ratings.ratings": "ratings",
        "data.scikit_learn.digits": "digits",
        "data.scikit_learn.toy_table": "toy_table",
        "data.series.series": "series",
        "data.synthetic.cubic": "cubic",
        "data.synthetic.regression": "regression",
        "data.table_file.csv": "csv",
        "data.text.text": "text",
        "data.torchvision_sets.known_pictures": "torchvision_images",
    },
    "model": {
        "models.bag.Bag": "bag",
        "models.cnn.CNN": "cnn",
        "models.linear.Linear": "linear",
        "models.mlp.MLP": "mlp",
        "models.recommender.Recommender": "recommender",
        "models.resnet.ResNet": "resnet",
        "models.rnn.RNN": "rnn",
        "models.tabm.TabM": "tabm",
        "models.textcnn.TextCNN": "textcnn",
        "models.transformer.Transformer": "transformer",
    },
    "loss": {
        "losses.BinaryCrossEntropy": "bce",
        "losses.CrossEntropy": "cross_entropy",
        "losses.Focal": "focal",
        "losses.Hinge": "hinge",
        "losses.Huber": "huber",
        "losses.MeanAbsoluteError": "mae",
        "losses.MeanSquaredError": "mse",
        "losses.PairwiseRanking": "bpr",
        "losses.SampledSoftmax": "sampled_softmax",
    },
    "scheduler": {f"training.schedules.{name}": name for name in BUILT_IN["scheduler"]},
    "trainer": {"training.settings.TrainerSettings": "trainer"},
    "baseline": {"baselines.plain.BaselineSettings": "baselines"},
    "augment": {"data.augment.Augment": "images", "data.augment_text.AugmentText": "texts"},
}

# Short names that were replaced.
_RENAMED: Mapping[str, str] = {"known_pictures": "torchvision_images", "pictures": "images"}

MOVED: Mapping[str, str] = {
    **{f"dltrain.{path}": name for moved in _SCHEMA_1.values() for path, name in moved.items()},
    **_RENAMED,
}


# Keys of built-in targets that older run folders lack, with the values that do what these runs did.
BEFORE: Mapping[str, Mapping[str, Any]] = {
    "cnn": {"members": 1, "mirror": False, "whiten": False},
    "encoder": {"bag": False},
    "series": {"calendar": False},
    "text": {"clean": "none", "duplicates": "keep"},
}


def current_target(target: str) -> str:
    """Returns the current name of a target: a short name for an older name of built-in code, else the target itself."""
    return MOVED.get(target, target)
