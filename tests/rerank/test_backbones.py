"""Other backbones than BERT: positions that count from the padding's, layers with a narrow view, no position ids."""

import numpy as np
import pytest
import torch
from tiny_crossencoder import example, make_kit
from transformers import (
    AlbertConfig,
    AutoModelForTokenClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    RobertaConfig,
)

from raybel.encoders.pretrained import resolve
from raybel.errors import ConfigError, InputError
from raybel.rerank import model as models
from raybel.rerank.batching import collate
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CROSSTYPES
from raybel.rerank.scoring import Scorer

SIZES = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
EXAMPLES = [
    example("anemia", ["Anemia", "aplastic anemia"], "anemia and asthma run in families, often", 0),
    example("asthma", ["Asthma", "gout"], "anemia and asthma run in families, often", 11),
]


def modernbert(vocabulary):
    return ModernBertConfig(
        vocab_size=vocabulary,
        max_position_embeddings=64,
        local_attention=8,
        global_attn_every_n_layers=2,
        **dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0),
        **SIZES,
    )


def roberta(vocabulary):
    return RobertaConfig(vocab_size=vocabulary, max_position_embeddings=66, pad_token_id=1, **SIZES)


def bert(vocabulary):
    return BertConfig(vocab_size=vocabulary, max_position_embeddings=64, **SIZES)


def electra(vocabulary):
    return ElectraConfig(vocab_size=vocabulary, embedding_size=16, max_position_embeddings=64, **SIZES)


def albert(vocabulary):
    """All its layers are one module."""
    return AlbertConfig(vocab_size=vocabulary, embedding_size=16, max_position_embeddings=64, **SIZES)


def built(kit, config):
    torch.manual_seed(0)
    model = AutoModelForTokenClassification.from_config(config(len(kit.tokenizer)), attn_implementation="sdpa").eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:  # so that pairs differ
                weight.normal_(0, 0.5)
    return model


def scores(model, kit, crosstype, examples, **options):
    encoder = CrossEncoder(model, crosstype, kit.tokens.pad)
    return Scorer(encoder, crosstype, kit.tokens, budget=256).logits(kit.tokens(examples), **options)


@pytest.mark.parametrize("config", [modernbert, roberta, albert])
@pytest.mark.parametrize("implementation", ["sdpa", "eager"])
def test_a_tree_scores_each_pair_by_itself(kit, config, implementation):
    model = built(kit, config)
    model.set_attn_implementation(implementation)
    whole = scores(model, kit, "tree", EXAMPLES, attention="mask")
    for each, found in zip(EXAMPLES, whole, strict=True):
        for place, name in enumerate(each.names):
            lone = example(each.mention, [name], each.context, each.start, each.group)
            lone.candidates["score"] = each.candidates["score"][place]
            np.testing.assert_allclose(
                scores(model, kit, "tree", [lone], attention="mask")[0], found[place : place + 1], atol=1e-4
            )
    assert len(np.unique(np.round(np.concatenate(whole), 3))) == 4


@pytest.mark.parametrize("config", [roberta, albert])
def test_every_way_gives_the_same_scores(kit, config):
    model = built(kit, config)
    one, *others = (scores(model, kit, "tree", EXAMPLES, attention=way) for way in ("mask", "branches", "reuse"))
    for other in others:
        for a, b in zip(one, other, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4)


@pytest.mark.parametrize(
    ("config", "like_bert"), [(bert, True), (roberta, True), (electra, True), (albert, False), (modernbert, False)]
)
def test_the_last_layer_at_the_slots_only(kit, config, like_bert):
    """Neither scores nor gradients depend on it."""
    model = built(kit, config)
    found = []
    for crosstype in CROSSTYPES:
        encoder = CrossEncoder(model, crosstype, kit.tokens.pad)
        assert (encoder.last_output is not None) == like_bert
        batch = collate(list(pack(crosstype, kit.tokens, kit.tokens(EXAMPLES))), kit.tokens.pad)
        for last_output in (encoder.last_output, None):
            encoder.last_output = last_output
            model.zero_grad()
            logits = encoder.logits(batch)
            assert logits.shape == (4, 2)
            logits.square().sum().backward()
            found.append(
                [logits.detach(), *(each.grad.clone() for each in model.parameters() if each.grad is not None)]
            )
    for some, every in zip(found[::2], found[1::2], strict=True):
        for one, other in zip(some, every, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("config", [modernbert, roberta])
def test_every_type_scores_with_it(kit, config):
    model = built(kit, config)
    for crosstype in CROSSTYPES:
        assert all(np.isfinite(each).all() for each in scores(model, kit, crosstype, EXAMPLES))


def test_the_window(kit):
    assert models.window(built(kit, roberta), kit.tokenizer) == 64
    assert models.window(built(kit, modernbert), kit.tokenizer) == 64


@pytest.mark.parametrize("config", [bert, roberta, electra, modernbert])
def test_the_first_layers_alone(kit, config, tmp_path):
    """The lower layers give what they gave in the whole model; what is saved says how many there are."""
    whole = built(kit, config)
    whole.save_pretrained(tmp_path)
    kit.tokenizer.save_pretrained(tmp_path)
    cut, _ = models.load(tmp_path, head=True, layers=2)
    ids = torch.arange(5, 15)[None]
    expected = whole.base_model(input_ids=ids, output_hidden_states=True).hidden_states[1]
    found = cut.base_model(input_ids=ids, output_hidden_states=True).hidden_states[1]
    torch.testing.assert_close(found, expected)
    cut.save_pretrained(tmp_path / "cut")
    kit.tokenizer.save_pretrained(tmp_path / "cut")
    again, _ = models.load(tmp_path / "cut", head=True)
    assert again.config.num_hidden_layers == 2
    torch.testing.assert_close(again.eval()(input_ids=ids).logits, cut.eval()(input_ids=ids).logits)


def test_more_layers_than_there_are(kit, tmp_path):
    built(kit, bert).save_pretrained(tmp_path)
    kit.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="the model has 3 layers, not 4"):
        models.load(tmp_path, head=False, layers=4)


def test_a_backbone_without_sdpa(kit, tmp_path):
    config = DebertaV2Config(vocab_size=len(kit.tokenizer), **SIZES)
    AutoModelForTokenClassification.from_config(config, attn_implementation="eager").save_pretrained(tmp_path)
    kit.tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="transformers has no sdpa attention for it; take BERT"):
        models.load(tmp_path, head=False)


def test_a_backbone_without_position_ids():
    class Bare(torch.nn.Module):
        config = DistilBertConfig()

        def forward(self, input_ids, attention_mask=None):
            return input_ids

    assert CrossEncoder(Bare(), "base", 0).tree is False
    with pytest.raises(ConfigError, match="distilbert models take no position ids"):
        CrossEncoder(Bare(), "tree", 0)


def test_a_tree_of_minilm():
    """The real weights, in fp32: a pair alone, its siblings shuffled, in its sentence, with contexts by themselves."""
    kit = make_kit(resolve("minilm"))
    whole = scores(kit.model, kit, "tree", EXAMPLES)
    turned = scores(kit.model, kit, "tree", EXAMPLES, orders=[[1, 0], [1, 0]])
    ways = (scores(kit.model, kit, "tree", EXAMPLES, attention=way) for way in ("mask", "reuse"))
    for each, found, *others in zip(EXAMPLES, whole, turned, *ways, strict=True):
        for other in others:
            np.testing.assert_allclose(other, found, atol=1e-4)
        np.testing.assert_allclose(scores(kit.model, kit, "tree", [each])[0], found, atol=1e-4)
        lone = example(each.mention, each.names[1:], each.context, each.start, each.group)
        lone.candidates["score"] = each.candidates["score"][1:]
        np.testing.assert_allclose(scores(kit.model, kit, "tree", [lone])[0], found[1:], atol=1e-4)
