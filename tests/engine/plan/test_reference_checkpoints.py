from __future__ import annotations

from engine.checkpoints.download.sources import read_offers
from engine.plan.reference_cards import REFERENCE_CARDS
from engine.plan.reference_checkpoints import RECOMMENDED, TOO_LARGE, UNKNOWN, USABLE, estimate_file_bytes, judge

ORDER = (TOO_LARGE, USABLE, RECOMMENDED)


def test_every_checkpoint_that_is_offered_has_a_size_and_suits_large_cards_better() -> None:
    cards = sorted((card for card in REFERENCE_CARDS if card.device.kind == "cuda"), key=lambda card: card.device.total_bytes)
    for family in {offer.family for offer in read_offers() if not offer.is_lora}:
        verdicts = [judge(family, card) for card in (cards[0], cards[-1])]
        if UNKNOWN in verdicts:
            continue
        assert ORDER.index(verdicts[0]) <= ORDER.index(verdicts[1]) and verdicts[1] == RECOMMENDED, family
        assert (estimate_file_bytes(family) or 0) > 10**9, family


def test_a_processor_is_recommended_what_it_draws_in_a_bearable_time() -> None:
    hardware = REFERENCE_CARDS[0].on_cpu
    assert judge("sd1", hardware) == RECOMMENDED
    assert judge("xl", hardware) in (USABLE, TOO_LARGE)
