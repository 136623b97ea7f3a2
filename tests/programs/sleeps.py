"""sleeps.py [SECONDS]: starts, sleeps (for ever by default) and ends with 0."""

from started import number, say_started, sleep_on

say_started()
sleep_on(number(1, float("inf")))
