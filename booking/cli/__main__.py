"""python -m booking.cli: how the demonstration starts its worker."""

from booking.cli import main

main()
