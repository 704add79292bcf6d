"""Operations: metrics, logs, health, API keys, and the supervisor of processes."""
