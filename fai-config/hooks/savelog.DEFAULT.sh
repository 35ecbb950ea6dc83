# The logs stay with whoever called FAI; an image carries none.
skiptask savelog
