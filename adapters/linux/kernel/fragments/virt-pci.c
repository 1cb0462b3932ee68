static struct um_pci_message_buffer __percpu *um_pci_msg_bufs;

static unsigned long um_pci_flags;
static int um_pci_depth;

static void um_pci_lock(void)
{
	unsigned long flags;

	local_irq_save(flags);
	if (!um_pci_depth++)
		um_pci_flags = flags;
}

static void um_pci_unlock(void)
{
	if (!--um_pci_depth)
		local_irq_restore(um_pci_flags);
}

#undef get_cpu_var
#undef put_cpu_var
#define get_cpu_var(var) (um_pci_lock(), *this_cpu_ptr(&(var)))
#define put_cpu_var(var) um_pci_unlock()
