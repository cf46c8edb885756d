"""What is wrong with the ledger and with what was put aside, in words."""

from collections import Counter


def ledger_says(seen, truth, taken_back, waited, *, written, held):
    """What is wrong with the ledger: `seen` and `truth` count (id, account, cents).

    `taken_back`: payments that were aborted; `waited`: those from before the job began; `held`: why what was written is not seen.
    """
    if not seen:
        why = "what was written is in no committed transaction" if written else f"{len(truth)} payments are missing"
        return f"the topic is empty: {why}"
    ids, wanted = Counter(name for name, _, _ in seen.elements()), {name for name, _, _ in truth}
    twice = sorted(name for name, count in ids.items() if count > 1)
    missing, strange = sorted(wanted - ids.keys()), sorted(ids.keys() - wanted)
    aborted = sorted(ids.keys() & {one["payment_id"] for one in taken_back})
    said = []
    if aborted:
        said.append(f"{len(aborted)} payments of transactions that the provider has aborted, such as {aborted[0]}")
    if twice:
        said.append(f"payments are there more than once, as yet {len(twice)}, such as {twice[0]}")
    if missing and not said:  # what is too much ends the waiting: others may be on their way
        skipped = " (all from before the job began: it does not read from the beginning)"
        all_waited = missing == sorted(one["payment_id"] for one in waited)
        said.append(f"{len(missing)} payments are missing, such as {missing[0]}{skipped if all_waited else held}")
    if len(strange) > len(aborted):
        said.append(f"payments that nobody sent, such as {min(set(strange) - set(aborted))}")
    return "; ".join(said) or f"other accounts or amounts than were sent, such as {min(seen - truth)}"


def rejected_says(seen, truth, *, held):
    """What is wrong with the texts that were put aside, counted."""
    twice, missing, strange = sorted(set(seen - truth) & set(truth)), sorted(truth - seen), sorted(set(seen) - set(truth))
    said = []
    if twice:
        said.append(f"texts are there more than once, as yet {len(twice)}, such as {twice[0]!r}")
    if missing and not said:
        said.append(f"{len(missing)} texts are missing, such as {missing[0]!r}{held}")
    if strange:
        said.append(f"texts that nobody sent as they are here, such as {strange[0][:200]!r}")
    return "; ".join(said)
