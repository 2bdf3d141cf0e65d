"""The tables of the published study in its own form."""

from pathlib import Path

import pandas as pd

from optimetal.files import write_text
from optimetal.scaling import printed
from optimetal.tables import write_table
from optimetal.workflow import logged


def main(fits: pd.DataFrame, laws: list[str], folder: Path, note: str) -> None:
    fits = fits[fits["law"].isin(laws)]
    for law in laws:
        write_table(folder / law, printed.printed_law(fits, law), note)
        write_text(folder / f"{law}.tex", printed.printed_law_latex(fits, law, note))
    write_table(folder / "aicc", printed.printed_aicc(fits), note, index=True)
    write_text(folder / "aicc.tex", printed.printed_aicc_latex(fits, note))


if __name__ == "__main__":
    with logged(snakemake.log[0]):
        note = pd.read_parquet(snakemake.input.runs, columns=["source"])["source"].iloc[0]
        tables = Path(snakemake.params.tables)
        for study, file in zip(snakemake.params.laws, snakemake.input.fits, strict=True):
            laws = snakemake.params.laws[study]
            main(pd.read_parquet(file), laws, tables / study / "published", note)
