"""Defects of what is remembered for a socket that stays open."""

from espproof.adapters.seeded.model import defect

_LOCAL = '        if side == "local":\n            return self._leave(packet, mark, now)\n'
_WALK = "        fate = self._policed(one)\n        if fate is Counter.OUT_NO_STATES"
_LEAVES = "        if self._dropped(fate):\n            return ()\n        room ="
_KEEPS = (
    "xfrm.host", _LOCAL,
    '        self.__dict__["_kept"] = way == "kept"\n' + _LOCAL,
)  # fmt: skip


def _remembered(while_so: str) -> tuple[tuple[str, str, str], tuple[str, str, str]]:
    """What was found for a socket's flow is taken again while that is so."""
    return (
        ("xfrm.host", _WALK,
         '        routes, kept = self.__dict__.setdefault("_routes", {}), self.__dict__.get("_kept")\n'
         "        found = routes.get((one.flow, mark)) if kept else None\n"
         f"        if found is not None and {while_so}:\n"
         "            one.bundle, fate = list(found), None\n"
         "        else:\n            fate = self._policed(one)\n        if fate is Counter.OUT_NO_STATES"),
        ("xfrm.host", _LEAVES,
         "        if self._dropped(fate):\n            return ()\n"
         "        if kept:\n            routes[one.flow, mark] = list(one.bundle)\n        room ="),
    )  # fmt: skip


DEFECTS = (
    defect(
        "xfrm-kept-for-the-life-of-the-sas", "V-037", "xfrm-kept",
        "the SAs that were found for a socket are taken as long as they are there, whatever policy has come meanwhile",
        _KEEPS,
        *_remembered("found and all(self.states.has(state) for state in found)"),
        breaks=("RFC4301-5-cache-agrees", "RFC4301-4.4.2.1-lifetime-replaced"),
    ),
    defect(
        "xfrm-kept-in-the-clear", "ours", "xfrm-kept",
        "a socket whose packets nobody has protected once goes on so, until a policy protects them that was there before",
        _KEEPS,
        *_remembered("not found"),
        breaks=("RFC4301-5.1-never-in-the-clear",),
    ),
)  # fmt: skip
