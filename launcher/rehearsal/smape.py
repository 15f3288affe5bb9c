"""How far an estimate was off."""


def smape(predicted: float, actual: float) -> float:
    """Return the symmetric mean absolute percentage error of one pair, 0 to 200 (percent).

    Takes two counts of the same unit (tokens here). Both 0 is a perfect estimate: 0.
    """
    size = abs(predicted) + abs(actual)
    return 200 * abs(predicted - actual) / size if size else 0.0
