"""The torch model, its export, and transformers agree; packing changes nothing."""

import json
from dataclasses import fields

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file  # noqa: E402

from system2.policies.local import HOME, Tokenizer  # noqa: E402
from system2.training.model import BLOCK, Config, Llama  # noqa: E402

QUESTIONS = ["what is 347 * 86?", "9.11和9.8谁大?", "use 13, 8, 5 to make 57", "hello"]


@pytest.fixture(scope="module")
def ours():
    weights = load_file(HOME / "model.safetensors")
    tokenizer = Tokenizer.load(HOME / "tokenizer.json")
    told = json.loads((HOME / "config.json").read_text())
    model = Llama(Config(**{field.name: told[field.name] for field in fields(Config)}))
    assert told["vocab_size"] == tokenizer.size
    model.load_state_dict({n.removeprefix("model."): w.float() for n, w in weights.items()})
    return model.eval(), tokenizer


@pytest.fixture(scope="module")
def theirs():
    return transformers.LlamaForCausalLM.from_pretrained(HOME, dtype=torch.float32).eval()


@torch.no_grad()
def test_same_logits_as_transformers(ours, theirs):
    model, tokenizer = ours
    long = "1+" * (3 * BLOCK // 4)  # queries in two blocks, the second of another size
    for question in [*QUESTIONS, long]:
        ids = torch.tensor([[1, *tokenizer.encode(question), tokenizer.special["<low>"]]])
        mine = model(ids, torch.ones_like(ids)) @ model.embed_tokens.weight.T
        assert (mine - theirs(ids).logits).abs().max() <= 1e-4


@torch.no_grad()
def test_a_packed_lesson_sees_only_itself(ours):
    model, tokenizer = ours
    first, second = (tokenizer.encode(q) for q in QUESTIONS[:2])
    alone = model(torch.tensor([second]), torch.ones(1, len(second)))
    row = torch.tensor([first + second])
    segments = torch.tensor([[1] * len(first) + [2] * len(second)])
    packed = model(row, segments)[:, len(first) :]
    assert (alone - packed).abs().max() <= 1e-3


def test_the_tokenizer_loads_in_transformers():
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(HOME / "tokenizer.json"))
    ours = Tokenizer.load(HOME / "tokenizer.json")
    for question in QUESTIONS:
        assert tokenizer(question, add_special_tokens=False)["input_ids"] == ours.encode(question)
