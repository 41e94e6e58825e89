"""Packets of several streams from one pass over a file."""

from collections import deque


class SharedPackets:
    """Reads a file once, for streams that are read on at their own pace.

    Packets of a stream wait, compressed, until it is read on. Where the file
    cannot be read any further, each stream hears of it.

    Args:
        container: a PyAV container that stands at its beginning.
        streams: list of its streams.
    """

    def __init__(self, container, streams):
        self._packets = container.demux(streams)
        self._waiting = {stream.index: deque() for stream in streams}
        self._error = None

    def of(self, stream):
        """Yields the packets of a stream."""
        waiting = self._waiting[stream.index]
        while waiting or self._read(waiting):
            yield waiting.popleft()

    def _read(self, waiting):
        """Reads on until a packet waits; whether one does."""
        if self._error is not None:
            raise self._error
        try:
            while not waiting:
                packet = next(self._packets, None)
                if packet is None:
                    return False
                self._waiting[packet.stream.index].append(packet)
        except Exception as error:
            self._error = error
            raise
        return True
