class ChannelError(Exception):
    """A message did not get through a channel. Its text says why in a sentence, without anything that is secret."""
