"""EMMA text decoder agents: one call of the policy with every piece of the source."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from simuleval.agents.actions import Action, ReadAction, WriteAction
from simuleval.data.segments import Segment, TextSegment
from torch import Tensor

from seamless_server.agents.base import Ask, DecoderOutput, SeamlessAgent, SessionStates, Steps
from seamless_server.agents.loading import AgentSystem
from seamless_server.checkpoints.tokenizers import EOS
from seamless_server.engine import DecodeRequest, DecodeResult, PolicyOptions
from seamless_server.errors import UsageError
from seamless_server.stream_options import add_option


class DecoderStates(SessionStates):
    """Encoder states of the segment so far and the target written so far."""

    def reset(self) -> None:
        """Begin a new sentence."""
        super().reset()
        self.encoded: Tensor | None = None
        self.target: list[int] = []
        self.ngram_blocks = 0
        self.last: DecodeResult | None = None

    def update_source(self, segment: Segment) -> None:
        """Take the encoder's newest states."""
        self.source_finished = segment.finished
        self.note_language(segment)
        if segment.is_empty:
            return
        if len(segment.content) == 0 and segment.finished:
            self.encoded = None
            self.target_finished = True
            return
        self.encoded = segment.content


class MMASpeechToTextDecoderAgent(SeamlessAgent):
    """Encoder states -> pieces of text, joined with spaces."""

    source_type = "speech"
    target_type = "text"

    def __init__(self, args: Namespace, system: AgentSystem) -> None:
        self.options = PolicyOptions(
            decision_threshold=args.decision_threshold,
            decision_method=args.decision_method,
            p_choose_start_layer=args.p_choose_start_layer,
            no_early_stop=args.no_early_stop,
            block_ngrams=args.block_ngrams,
            max_len_a=args.max_len_a,
            max_len_b=args.max_len_b,
            max_consecutive_write=args.max_consecutive_write,
            repetition_penalty=args.repetition_penalty,
        )
        layers = system.checkpoint.config.decoder.num_layers
        if not 0 <= self.options.p_choose_start_layer < layers:
            raise UsageError(f"--p-choose-start-layer must be from 0 to {layers - 1}")
        self.min_starting_wait: int = args.min_starting_wait
        self.min_confidence: float = args.min_confidence
        self.tokenizer = system.checkpoint.text_tokenizer
        self.default_lang: str = args.tgt_lang
        self._shared_prefix = [EOS, self.tokenizer.lang_index(args.tgt_lang)]
        super().__init__(args, system)

    def build_states(self) -> DecoderStates:
        """States of one session."""
        return DecoderStates()

    @staticmethod
    def add_args(parser: ArgumentParser) -> None:
        """Options, by their official names."""
        parser.add_argument("--tgt-lang", type=str, default="eng", help="three-letter code")
        add_option(parser, "max_len_a", 1)
        add_option(parser, "max_len_b", 200)
        add_option(parser, "max_consecutive_write", 50)
        add_option(parser, "min_starting_wait", 1)
        add_option(parser, "no_early_stop", False)
        add_option(parser, "decision_threshold", 0.5)
        add_option(parser, "decision_method", "min")
        add_option(parser, "p_choose_start_layer", 0)
        add_option(parser, "block_ngrams", False)
        add_option(parser, "repetition_penalty", 1.0)
        add_option(parser, "min_confidence", 0.0)

    def steps(self, states: DecoderStates) -> Steps[Action]:
        """WRITE what the source heard so far allows."""
        states.last = None
        if states.encoded is None:
            if states.source_finished and not self.compat.unfinished_ends:
                return WriteAction(self._segment(states, None), finished=True)
            return ReadAction()
        if len(states.encoded) < self.min_starting_wait and not states.source_finished:
            return ReadAction()
        if states.target_finished:
            return WriteAction("", finished=True)
        result: DecodeResult = yield Ask(
            "decode",
            DecodeRequest(
                source=states.encoded,
                prefix=self._prefix(states),
                target=states.target,
                source_finished=states.source_finished,
                options=self.options,
                ngram_blocks=states.ngram_blocks,
                to_end=not self.compat.unfinished_ends,
                ending_token=self.ending_token,
            ),
        )
        if self._too_early(result, states):
            return ReadAction()
        states.last = result
        states.target = states.target + result.tokens
        states.ngram_blocks = result.ngram_blocks
        if not result.write:
            return ReadAction()
        return WriteAction(self._segment(states, result), finished=result.finished)

    def _too_early(self, result: DecodeResult, states: DecoderStates) -> bool:
        """Whether a sentence would end before its first word: there is only silence so far."""
        nothing = not result.tokens and not states.target
        return (
            result.finished
            and nothing
            and not states.source_finished
            and not self.compat.unfinished_ends
        )

    @property
    def ending_token(self) -> int | None:
        """Token that the speech branch hears behind every piece of text; None for text alone."""
        return None

    def language(self, states: DecoderStates) -> str:
        """Target language of a session, the pipeline's when it has none of its own."""
        return states.tgt_lang if isinstance(states.tgt_lang, str) else self.default_lang

    def _prefix(self, states: DecoderStates) -> list[int]:
        if not self.compat.leaking_language:
            return self.tokenizer.prefix(self.language(states))
        if states.tgt_lang:
            self._shared_prefix[-1] = self.tokenizer.token_to_index(f"__{states.tgt_lang}__")
        return list(self._shared_prefix)

    def _segment(self, states: DecoderStates, result: DecodeResult | None) -> TextSegment:
        return TextSegment(
            content=self._content(result),
            finished=result is None or result.finished,
            tgt_lang=states.tgt_lang if self.compat.leaking_language else self.language(states),
        )

    def _tokens(self, result: DecodeResult | None) -> list[str]:
        tokens = [] if result is None else result.tokens
        return [self.tokenizer.index_to_token(i) for i in tokens]

    def _content(self, result: DecodeResult | None) -> object:
        tokens = self._tokens(result)
        return " ".join(tokens if self.compat.written_symbols else self.tokenizer.text(tokens))


class UnitYMMATextDecoderAgent(MMASpeechToTextDecoderAgent):
    """Encoder states -> :class:`DecoderOutput` for speech and text branches."""

    @property
    def ending_token(self) -> int | None:
        """A comma makes a piece of speech end smoothly."""
        return self.tokenizer.token_to_index(",")

    def _content(self, result: DecodeResult | None) -> object:
        import torch

        if result is None or result.features is None:
            return DecoderOutput(self._tokens(result), [], torch.zeros(0, 0))
        return DecoderOutput(self._tokens(result), result.ids, result.features)
