"""What a recorded session says of a number in its values: python analyse.py prices.jsonl bid."""

import argparse

import polars as pl


def analyse(file: str, member: str) -> pl.DataFrame:
    """For each topic: how many updates, and how the number moved."""
    updates = pl.read_ndjson(file, infer_schema_length=None)
    number = pl.col("value").struct.field(member).cast(pl.Float64).alias("number")
    return (
        updates.with_columns(number)
        .sort("topic", "version")
        .group_by("topic", maintain_order=True)
        .agg(
            pl.len().alias("updates"),
            pl.col("number").min().alias("low"),
            pl.col("number").max().alias("high"),
            pl.col("number").last().alias("last"),
            (pl.col("at").max() - pl.col("at").min()).alias("seconds"),
        )
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file")
    parser.add_argument("member", help="the member of each value that is a number")
    options = parser.parse_args()
    with pl.Config(tbl_rows=50, ascii_tables=True):
        print(analyse(options.file, options.member))
