static int virtio_pcidev_unlocked(struct virtio_pcidev_device *dev, struct virtio_pcidev_msg *cmd,
				  unsigned int cmd_size, const void *extra, unsigned int extra_size,
				  void *out, unsigned int out_size);

static int virtio_pcidev_send_cmd(struct virtio_pcidev_device *dev, struct virtio_pcidev_msg *cmd,
				  unsigned int cmd_size, const void *extra, unsigned int extra_size,
				  void *out, unsigned int out_size)
{
	unsigned long flags;
	int ret;

	local_irq_save(flags);
	ret = virtio_pcidev_unlocked(dev, cmd, cmd_size, extra, extra_size, out, out_size);
	local_irq_restore(flags);
	return ret;
}

static int virtio_pcidev_unlocked(struct virtio_pcidev_device *dev,
