;; Crashes in `delete`.

;; -- delete
(unreachable)
