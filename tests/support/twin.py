"""libvirt's test driver with a host of one's own: `test:///default` is one for the whole process."""

from __future__ import annotations

from pathlib import Path

_HOST = """<node>
  <cpu><mhz>1400</mhz><model>i686</model><active>16</active><nodes>2</nodes><sockets>2</sockets><cores>2</cores>
    <threads>2</threads></cpu>
  <memory>3145728</memory>
  <domain type='test'>
    <name>test</name><uuid>6695eb01-f6a4-8304-79aa-97f2502e193f</uuid><memory unit='MiB'>64</memory>
    <os><type>hvm</type></os>
  </domain>
  <network>
    <name>default</name><bridge name='virbr0'/><ip address='192.168.122.1' netmask='255.255.255.0'/>
  </network>
  <pool type='dir'><name>default-pool</name><target><path>/default-pool</path></target></pool>
</node>
"""


def twin_uri(folder: Path) -> str:
    """A hypervisor that begins with a running domain `test`, a network `default` and a pool `default-pool`.

    Each connection to it has a state of its own.
    """
    file = folder / "twin.xml"
    file.write_text(_HOST)
    return f"test://{file}"
