"""What makes a variant of a kernel: lines for Kconfig, changes of the source, variables for make.

The configuration is Kconfig's defaults and the fragments in `fragments/`. Options come and go with the kernel's versions:
above one that not every version is asked for stands `# since 6.17` or `# until 6.15`, both inclusive. What a user's
kernel does not know at all is left out and told; what it knows and does not take is an error.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, int]
"""Of a kernel: (6, 12)."""

_FRAGMENTS = Path(__file__).with_name("fragments")
_OPTION = re.compile(r"(?:# )?(CONFIG_\w+)(?:=.*| is not set)")
_BOUND = re.compile(r"# (since|until) (\d+)\.(\d+)")
_DEFINED = re.compile(r"^\s*(?:menu)?config\s+(\w+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of the kernel's source: `old` is there once, and becomes `new`, in versions from `since` to `until`."""

    path: str
    old: str
    new: str
    since: Version = (0, 0)
    until: Version = (1000, 0)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes a variant: files of `fragments/`, changes of the source, and variables for make."""

    fragments: tuple[str, ...]
    every_edit: tuple[Edit, ...] = ()
    variables: tuple[str, ...] = ()

    def edits(self, version: Version) -> tuple[Edit, ...]:
        """The changes that a kernel of that version needs."""
        return tuple(edit for edit in self.every_edit if edit.since <= version <= edit.until)

    def options(self, version: Version) -> list[str]:
        """The lines that set an option, those that a kernel of that version is asked for. A later fragment has the last
        word about one that an earlier one sets too."""
        lines = [line for name in self.fragments for line in _options(_text(name), version)]
        return list({name_of(line): line for line in lines}.values())

    def digest(self, version: Version) -> str:
        """Of all that makes the variant; comments in fragments do not."""
        return hashlib.sha256(repr((self.edits(version), self.variables, self.options(version))).encode()).hexdigest()[
            :12
        ]


def _text(fragment: str) -> str:
    return (_FRAGMENTS / fragment).read_text(encoding="utf-8")


COVERED = (
    "ah4", "ah6", "esp4", "esp4_offload", "esp6", "esp6_offload", "espintcp",
    "xfrm_algo", "xfrm_device", "xfrm_hash", "xfrm_input", "xfrm_interface_core", "xfrm_iptfs", "xfrm_nat_keepalive",
    "xfrm_output", "xfrm_policy", "xfrm_replay", "xfrm_state", "xfrm_user",
    "xfrm4_input", "xfrm4_output", "xfrm4_policy", "xfrm4_protocol", "xfrm4_state",
    "xfrm6_input", "xfrm6_output", "xfrm6_policy", "xfrm6_protocol", "xfrm6_state",
    "authenc", "authencesn", "ccm", "chacha20poly1305", "echainiv", "gcm", "seqiv",
)  # fmt: skip
"""Object files, without suffix, whose coverage counts."""
_IN_SOFTIRQS = Edit(
    "kernel/kcov.c",
    "!in_task() && !(in_softirq_really() && t->kcov_softirq)",
    "system_state != SYSTEM_RUNNING || (!in_task() && !in_softirq_really())",
)
"""A packet that a task hands over is processed in a softirq on top of it, which counts too; and before the system runs,
user-mode Linux executes code of its own in threads of the host, where there is no task that could be looked at."""

_PCI_LOCKED = (
    Edit(
        "arch/um/drivers/virt-pci.c",
        "static struct um_pci_message_buffer __percpu *um_pci_msg_bufs;\n",
        _text("virt-pci.c"),
        until=(6, 15),
    ),
    Edit(
        "arch/um/drivers/virtio_pcidev.c",
        "static int virtio_pcidev_send_cmd(struct virtio_pcidev_device *dev,\n",
        _text("virtio_pcidev.c"),
        since=(6, 16),
    ),
)
"""An interrupt that arrives within an access to a device would use the same message buffer and queue for its own."""

RECIPES = {
    "plain": Recipe(("plain.config",)),
    "kcov": Recipe(
        ("plain.config", "kcov.config"),
        (_IN_SOFTIRQS,),
        tuple(f"KCOV_INSTRUMENT_{name}.o=y" for name in COVERED),
    ),
    "gcov": Recipe(("plain.config", "gcov.config"), variables=tuple(f"GCOV_PROFILE_{name}.o=y" for name in COVERED)),
    "kasan": Recipe(("plain.config", "kasan.config")),
    "pci": Recipe(("plain.config", "pci.config"), _PCI_LOCKED),
    "smp": Recipe(("plain.config", "smp.config")),
}


def version_of(text: str) -> Version:
    """`7.3.4`, `7.4.0-rc1`, `6.12` as (7, 3), (7, 4), (6, 12). `ValueError` for what is no version."""
    major, minor, *_ = re.split(r"[.-]", text)
    return int(major), int(minor)


def _options(fragment: str, version: Version) -> Iterator[str]:
    """A bound is about the next option alone."""
    asked = True
    for line in fragment.splitlines():
        if bound := _BOUND.fullmatch(line):
            edge = int(bound[2]), int(bound[3])
            asked &= version >= edge if bound[1] == "since" else version <= edge
        elif _OPTION.fullmatch(line):
            if asked:
                yield line
            asked = True


def name_of(option: str) -> str:
    """`CONFIG_X` of a line that sets it."""
    found = _OPTION.fullmatch(option)
    assert found is not None
    return found[1]


def unknown(options: Iterable[str], tree: Path) -> list[str]:
    """Those of which no Kconfig file of the tree knows the name."""
    known = {f"CONFIG_{name}" for file in _kconfig_files(tree) for name in _DEFINED.findall(file)}
    return [option for option in options if name_of(option) not in known]


def _kconfig_files(tree: Path) -> Iterator[str]:
    """What stands in them."""
    for folder, folders, files in os.walk(tree):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.startswith("Kconfig"):
                yield Path(folder, name).read_text(encoding="utf-8", errors="replace")
