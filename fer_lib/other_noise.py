"""For the moment: the old names of what `noise` holds now."""

import functools

from fer_lib import noise

NOISES = {
    name: (functools.partial(noise.add, noise=name), kind.level)
    for name, kind in noise.NOISES.items()
}
