// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package vault

import (
	sallyport "github.com/sallyport-dev/sallyport"
)

// WrapCacheKey seals a key to the vault, for what can be made again at any time and
// is on no record: it has no session, no term and no erasure. It opens under the same
// name only.
func (v *Vault) WrapCacheKey(name string, key []byte) ([]byte, error) {
	sealed, err := v.sealer.Encrypt(key, []byte(cacheKeyAD+name))
	if err != nil {
		return nil, sallyport.E(sallyport.Internal, "cache key", "the key cannot be wrapped").Because(err)
	}
	return sealed, nil
}

// UnwrapCacheKey opens what WrapCacheKey sealed; Integrity when it was changed, or
// belongs to another name or vault.
func (v *Vault) UnwrapCacheKey(name string, sealed []byte) ([]byte, error) {
	key, err := v.sealer.Decrypt(sealed, []byte(cacheKeyAD+name))
	if err != nil {
		return nil, sallyport.E(sallyport.Integrity, "cache key", "the key does not open under this vault").
			WithHint("what it is for is made again").Because(err)
	}
	return key, nil
}
