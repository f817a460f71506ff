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
        add = parser.add_argument
        add("--max-len-a", type=int, default=1, help="longest target: a * encoder frames + b")
        add("--max-len-b", type=int, default=200, help="longest target: a * encoder frames + b")
        add("--max-consecutive-write", type=int, default=50, help="most tokens of one decision")
        add("--min-starting-wait", type=int, default=1, help="encoder frames before the first text")
        add(
            "--no-early-stop",
            action="store_true",
            default=False,
            help="never end a sentence before its audio has ended",
        )
        add("--tgt-lang", type=str, default="eng", help="target language, a three-letter code")
        add(
            "--decision-threshold",
            type=float,
            default=0.5,
            help="p_choose from which a token is written: lower is faster, higher is better",
        )
        add(
            "--decision-method",
            type=str,
            default="min",
            choices=["mean", "min", "median"],
            help="how p_choose of all heads and layers becomes one number",
        )
        add("--p-choose-start-layer", type=int, default=0, help="first layer that is asked")
        add("--block-ngrams", action="store_true", help="block repetitions of 2 and 3 tokens")
        add(
            "--repetition-penalty",
            type=float,
            default=1.0,
            help="makes words of the sentence less likely to come again: 1 is off, 1.2 is much",
        )
        add(
            "--min-confidence",
            type=float,
            default=0.0,
            help="text of a lower confidence waits; a sentence that stays below to its end is "
            "given up as not understood; 0 is off",
        )

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
