"""The evidence log: a Merkle tree, signed checkpoints, receipts, proofs and the bundles that carry them.

Formats are those of RFC 9162 and C2SP (signed-note, tlog-checkpoint, tlog-cosignature, tlog-proof, the entry bundle of
tlog-tiles), so that programs not written here can judge a log. This package knows bytes, hashes and keys; it must not
know what a leaf says (`mrv.leaf` does), where a log is stored, or what time it is.
"""
