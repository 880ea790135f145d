"""The governed catalogue: versions, storage, permits and the privacy budget."""
