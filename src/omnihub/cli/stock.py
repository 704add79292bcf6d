"""`omnihub stock`: one SKU everywhere."""

from typing import Annotated

import typer

from omnihub.cli.context import JsonOption, options_of
from omnihub.cli.output import Exit, moment, print_json, print_rows, stderr, stdout, units
from omnihub.model.ids import Sku


def stock(
    context: typer.Context,
    sku: Annotated[str, typer.Argument(help="Canonical SKU.")],
    as_json: JsonOption = False,
) -> None:
    """Show a SKU's level at every location, in every channel, and what each system was told."""
    from omnihub.views.queries import Views
    from omnihub.views.schema import open_views

    install = options_of(context).installation()
    install.data_dir.mkdir(parents=True, exist_ok=True)
    views = Views(open_views(install.views_url), install.tenant)
    levels, channels = views.levels_of(Sku(sku)), views.channels_of(Sku(sku))
    effects, product = views.effects_on(sku), views.product(Sku(sku))
    if as_json:
        print_json(
            {
                "sku": sku,
                "product": product,
                "locations": levels,
                "channels": channels,
                "effects": effects,
            }
        )
    else:
        stdout().print(f"{sku}  {product.title if product else '(no product known)'}")
        rows = [
            {
                "location": level.location,
                "on hand": units(level.on_hand_milli),
                "safety": units(level.safety_milli),
                "to sell": units(level.ats_milli),
                "since": moment(level.accepted_at_us),
            }
            for level in levels
        ]
        print_rows(rows, ("location", "on hand", "safety", "to sell", "since"), "No level yet.")
        sold = [{"channel": one.channel, "to sell": units(one.ats_milli)} for one in channels]
        print_rows(sold, ("channel", "to sell"), "In no channel.")
        told = [
            {"system": one.instance, "told": one.outcome.value, "at": moment(one.finished_at_us)}
            for one in effects
        ]
        print_rows(told, ("system", "told", "at"), "No system was told.")
    if not levels:
        if not as_json:
            stderr().print("It appears with its first count or movement.")
        if install.run() is None:
            stderr().print(f"Nothing runs on {install.data_dir} now: start it with `omnihub up`.")
        raise typer.Exit(Exit.FAILED)
