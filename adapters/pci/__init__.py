"""PCI functions for a kernel in user mode: each is a socket that speaks vhost-user, behind it a model of a device.

    virtqueue    the rings in memory that both sides have
    vhost_user   one function: messages of the socket, memory of the guest, commands, interrupts
    bus          the thread that serves them

The kernel (arch/um/drivers/virt-pci.c, later virtio_pcidev.c) waits for the answer to each kick, so that an access is
over before it goes on: a device sees the driver's accesses in its order, one at a time.
"""
