"""Pictures of the lake's own state.

Belongs here: what upkeep did over time. Does not belong here: pictures of rows (`validation`, `monitoring`).
"""

import polars as pl


def plot_upkeep(runs: pl.DataFrame) -> bytes:
    """Bytes on disk before and after each upkeep, over all tables.

    Args:
        runs: A row for each table and run, with `ran_at`, `stored_bytes_before` and `stored_bytes_after`.

    Returns:
        A PNG.
    """
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sums = (
        runs.group_by("ran_at").agg(pl.col("stored_bytes_before", "stored_bytes_after").sum()).sort("ran_at").tail(30)
    )
    figure = Figure(figsize=(7.0, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    positions = list(range(sums.height))
    before, after = (sums[name] / 1e6 for name in ("stored_bytes_before", "stored_bytes_after"))
    axes.bar([position - 0.2 for position in positions], before.to_list(), width=0.4, label="before", color="#b5b5b5")
    axes.bar([position + 0.2 for position in positions], after.to_list(), width=0.4, label="after", color="#4472a8")
    axes.set_xticks(positions, [f"{moment:%Y-%m-%d}" for moment in sums["ran_at"]], rotation=45, fontsize=8)
    axes.set_ylabel("MB on disk")
    axes.set_title("all versions of all tables, before and after each upkeep")
    axes.legend(frameon=False)
    written = io.BytesIO()
    figure.savefig(written, format="png", dpi=80)
    return written.getvalue()
