"""The plot of incoming mail: rates over connections and sizes, and processor time."""

import incoming_sites
from incoming import print_size
from plot import Panel, write as write_plot

NAMES = [make.name for make in (incoming_sites.Mailstead, *incoming_sites.PEERS)]


def write(path, about, options, report):
    """False when the matrix was not measured, and there is nothing to draw."""
    connections, sizes = options.connections, options.sizes
    most = max(count for count in connections if count <= 50)
    size = 4096 if 4096 in sizes else sizes[0]

    def over_connections(of, each):
        return lines(lambda name, count: report.figures("matrix", name, size, count, each), connections, of)

    def over_sizes(of, each):
        return lines(lambda name, octets: report.figures("matrix", name, octets, most, each), sizes, of)

    counts, lengths = ["%d" % count for count in connections], [print_size(each) for each in sizes]
    below = "connections at a time"
    panels = [
        Panel("%s, many messages on a connection" % print_size(size), "messages/s that can be read, by " + below, counts, over_connections("readable", 0)),
        Panel("%s, a connection for each message" % print_size(size), "messages/s that can be read, by " + below, counts, over_connections("readable", 1)),
        Panel("%d connections, many messages on each" % most, "messages/s that can be read, by size", lengths, over_sizes("readable", 0)),
        Panel("%d connections, many messages on each" % most, "processor seconds of the server for 1,000 messages, by size", lengths, over_sizes("cost", 0)),
    ]
    panels = [panel for panel in panels if panel.lines]
    if not panels:
        return False
    write_plot(path, "Incoming mail: durable, in its mailbox, and to be read by POP3", about,
               "Logarithmic scales: from one line of the grid to the next is ten times as much. What is not there could not be measured.",
               panels)
    return True


def lines(figures, places, of):
    """{name: values} of the servers that have any."""
    found = {}
    for name in NAMES:
        values = [getattr(each, of) if each else None for each in (figures(name, place) for place in places)]
        if any(values):
            found[name] = values
    return found
