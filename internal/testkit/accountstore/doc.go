// Package accountstore is an account.Store in memory, for tests of what decides and
// changes by accounts. It counts what is asked of it, and fails where a test wants
// it to.
//
// It keeps the rules of account.Store about revisions, generation, names,
// addresses and subjects. It has no queue, so no mail follows its changes, and
// nothing in it depends on anything else: what is in use can be removed. Package
// storetest says what an engine has to do.
//
// Main types: Store.
package accountstore
