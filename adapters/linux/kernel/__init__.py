"""The kernel that is tested, from outside: where its image comes from, and the process that it is or that runs on it.

images       which image a variant of the adapter boots
labels       the kernels that the user has built, by label
build        makes user-mode Linux
debian       Debian's packages of the source, installed or fetched
tree         a kernel tree of the user's
work         the steps of one build
reach        what of a kernel was reached, lines and functions, where it counts that
recipe       what makes a variant: the Kconfig fragments in `fragments/`, changes of the source
machine      what is asked: started, greeted, limited, listened to, ended
guest        a machine that is a user-mode Linux; its program is `inside/guest_main.py`
registers    starts a kernel on a processor that has more of them than the kernel has room for
host         a machine that is a child of this host's kernel; its program is `inside/host_main.py`
processor    which processor a guest runs on
"""
