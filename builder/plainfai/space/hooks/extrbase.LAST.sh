# Written by `fai-forge configspace`, for fai-diskimage: its disk has file systems by now, which have
# UUIDs of their own.
if [ "$FAI_ACTION" = install ]; then
    FORGE_ROOT_UUID=$(blkid -s UUID -o value "$(findmnt -n -o SOURCE "$target")")
    if mountpoint -q "$target/boot/efi"; then
        FORGE_ESP_UUID=$(blkid -s UUID -o value "$(findmnt -n -o SOURCE "$target/boot/efi")")
    fi
fi
