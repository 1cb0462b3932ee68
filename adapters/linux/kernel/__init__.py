"""The kernel that is tested, from without: where its image comes from, and the process that it is or that runs on it.

build        makes user-mode Linux of Debian's source and the Kconfig fragments in `fragments/`
kernels      which image a variant of the adapter boots
machine      user-mode Linux as a process that is asked; its program is `inside/guest.py`
onhost       a child of this host's kernel, asked alike; its program is `inside/host.py`
"""
