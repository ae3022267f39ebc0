"""The benchmarks, in the order in which they run: add yours here."""

from . import attachments, changes, get, livefeed, stream, view, write

BENCHMARKS = {
    each.name: each
    for each in (
        get.BENCHMARK,
        view.BENCHMARK,
        stream.BENCHMARK,
        changes.BENCHMARK,
        livefeed.BENCHMARK,
        attachments.BENCHMARK,
        write.BENCHMARK,
    )
}
