// Copyright The Sallyport Authors
// SPDX-License-Identifier: Apache-2.0

package pglogin

// Sources returns the number of sources whose rate k remembers.
func Sources(k *Keys) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.sources)
}
