;; Crashes in `keys`.

;; -- keys
(unreachable)
